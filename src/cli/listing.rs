//! `gradlens techniques`, `layers` and `labels`.

use super::args::{LabelsArgs, LayersArgs, TechniquesArgs};
use super::exit;
use super::output;
use super::resolve;
use crate::model::{self, BUILT_IN, Purpose};
use crate::techniques::{ParamKind, ParamSpec, Params, Preset, TECHNIQUES, Technique};
use crate::tui::printable;
use candle_core::Device;
use serde_json::json;

pub(super) fn matches(query: Option<&String>, texts: &[&str]) -> bool {
    query.is_none_or(|query| texts.iter().any(|t| t.to_lowercase().contains(&query.to_lowercase())))
}

/// A search that finds nothing is not a success for a script, and says so.
pub(super) fn outcome(found: usize, query: Option<&String>, what: &str) -> u8 {
    match query {
        Some(query) if found == 0 => {
            note!("gradlens: no {what} contains \"{}\"", printable(query));
            exit::FAILED
        }
        _ => exit::DONE,
    }
}

pub(super) fn techniques(args: &TechniquesArgs) -> anyhow::Result<u8> {
    if args.markdown {
        say!("{}", crate::techniques::markdown().trim_end());
        return Ok(exit::DONE);
    }
    let args = &args.list;
    let query = args.query.as_ref();
    let found: Vec<_> =
        TECHNIQUES.iter().filter(|t| matches(query, &[t.id(), t.about(), &t.group().to_string()])).collect();
    if args.json {
        let list: Vec<_> = found
            .iter()
            .map(|t| {
                json!({
                    "id": t.id(), "group": t.group(), "about": t.about(), "definition": t.definition(),
                    "reference": t.reference(),
                    "model": usual(**t), "needs": t.needs(),
                    "parameters": t.params().iter().map(|p| parameter(p, &t.defaults())).collect::<Vec<_>>(),
                })
            })
            .collect();
        output::json(&list)?;
        return Ok(outcome(found.len(), query, "technique"));
    }
    for technique in &found {
        say!("{}  ({})", technique.id(), technique.group());
        say!("    {}", technique.about());
        say!("    {}", technique.definition());
        say!("    {}; runs on {}", technique.reference(), usual(**technique));
        let defaults = technique.defaults();
        for spec in technique.params() {
            let default = defaults.get(spec.name).map(ToString::to_string).unwrap_or_default();
            let unit = if spec.unit.is_empty() { String::new() } else { format!(" {}", spec.unit) };
            let live = if spec.live { ", live" } else { "" };
            say!("      --set {}={default}{unit}", spec.name);
            say!("            {}; {}{live}", spec.help, spec.range());
            if let ParamKind::Preset { options, .. } = spec.kind {
                for preset in options {
                    let values: Vec<String> = preset.values.iter().map(|(n, v)| format!("{n}={v}")).collect();
                    say!("            {}: {}{}", preset.id, preset.about, within(&values));
                }
            }
        }
        say!("");
    }
    Ok(outcome(found.len(), query, "technique"))
}

/// The model that a technique runs on unless told otherwise.
fn usual(technique: &dyn Technique) -> &'static str {
    model::usual(BUILT_IN, technique.purpose()).map_or("", |entry| entry.id)
}

fn parameter(spec: &ParamSpec, defaults: &Params) -> serde_json::Value {
    let mut value = json!({
        "name": spec.name, "default": defaults.get(spec.name), "unit": spec.unit, "help": spec.help, "live": spec.live,
    });
    match spec.kind {
        ParamKind::Int { min, max, .. } => {
            value["type"] = "int".into();
            (value["min"], value["max"]) = (min.into(), max.into());
        }
        ParamKind::Float { min, max, .. } => {
            value["type"] = "float".into();
            (value["min"], value["max"]) = (min.into(), max.into());
        }
        ParamKind::Choice { options, .. } => {
            value["type"] = "choice".into();
            value["options"] = options.into();
        }
        ParamKind::Preset { options, .. } => {
            value["type"] = "preset".into();
            value["options"] = spec.words().into();
            let recipe = |p: &Preset| json!({ "id": p.id, "about": p.about, "values": recipe(p) });
            value["presets"] = options.iter().map(recipe).collect();
        }
        ParamKind::Text { takes, .. } => {
            value["type"] = "text".into();
            value["takes"] = takes.into();
        }
    }
    value
}

/// What a recipe sets, in brackets; nothing where it sets nothing.
fn within(values: &[String]) -> String {
    if values.is_empty() { String::new() } else { format!(" ({})", values.join(" ")) }
}

/// The values of a recipe by parameter.
fn recipe(preset: &Preset) -> serde_json::Value {
    preset
        .values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).into()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

pub(super) fn layers(args: &LayersArgs) -> anyhow::Result<u8> {
    let model = model::open(BUILT_IN, &resolve::model(&args.model, Purpose::Classes)?, &Device::Cpu)?;
    let [height, width] = model.input().size;
    let query = args.list.query.as_ref();
    let mut found = model.info.layers.clone();
    found.retain(|l| matches(query, &[l.name.as_str()]));
    if args.list.json {
        output::json(&found)?;
    } else {
        say!("{:<16} {:<24} channels × height × width, for an input of {height}×{width}", "layer", "kind");
        for layer in &found {
            let [c, h, w] = layer.shape;
            say!("{:<16} {:<24} {c} × {h} × {w}", printable(layer.name.as_str()), layer.kind);
        }
    }
    Ok(outcome(found.len(), query, "layer"))
}

pub(super) fn labels(args: &LabelsArgs) -> anyhow::Result<u8> {
    let which = resolve::model(&args.model, Purpose::Classes)?;
    let labels = match model::known_output(BUILT_IN, &which)? {
        Some(output) => output.labels,
        None => model::open(BUILT_IN, &which, &Device::Cpu)?.info.classes()?.labels.clone(),
    };
    let found = labels.search(args.list.query.as_deref().unwrap_or_default());
    if args.list.json {
        let list: Vec<_> = found.iter().map(|(index, label)| json!({ "index": index, "label": label })).collect();
        output::json(&list)?;
    } else {
        for (index, label) in &found {
            say!("{index:>4}  {}", printable(label));
        }
    }
    Ok(outcome(found.len(), args.list.query.as_ref(), "label"))
}
