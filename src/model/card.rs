//! What is known of a model, in lines for a person.

use super::{Assumption, ModelInfo};
use crate::graph::LayerName;
use serde::Serialize;

/// How many classes are named.
const NAMED: usize = 4;
/// Characters of such a name at most.
const LONGEST: usize = 60;

impl ModelInfo {
    /// Lines of a heading and a text: where it comes from, how pictures go in, what comes out, where maps are taken, and what
    /// was assumed with the option that changes it. A line without a heading goes on with the one before.
    #[must_use]
    pub fn card(&self) -> Vec<(&'static str, String)> {
        let mut lines = vec![("model", self.id.clone())];
        let from = &self.provenance;
        let known = [
            Some(from.file.clone()).filter(|file| !file.is_empty()),
            Some(from.format.clone()).filter(|format| !format.is_empty()),
            from.architecture.clone(),
            from.exporter.clone(),
            from.opset.map(|opset| format!("operator set {opset}")),
        ];
        lines.push(("from", known.into_iter().flatten().collect::<Vec<_>>().join(" · ")));
        lines.push(("sha256", from.sha256.clone()));
        let input = &self.input;
        let [height, width] = input.size;
        lines.push(("input", format!("{height}×{width} {}, values 0 to {}", word(&input.channels), input.range)));
        lines.push(("", format!("mean {}; deviation {}", list(&input.mean), list(&input.std))));
        let resize = &input.resize;
        let how = format!("{} {}", word(&resize.interpolation), word(&resize.mode));
        lines.push(("", format!("{how}, share {}", resize.crop_share)));
        lines.push((
            "output",
            match &self.output {
                Some(output) => {
                    let cut = |label: &str| label.chars().take(LONGEST).collect::<String>();
                    let first: Vec<String> = output.labels.iter().take(NAMED).map(cut).collect();
                    let more = if output.count() > first.len() { ", …" } else { "" };
                    format!("{} scores ({}): {}{more}", output.count(), word(&output.scores), first.join(", "))
                }
                None => "features, no classes".to_owned(),
            },
        ));
        let roles = &self.roles;
        lines.push(("maps at", roles.cam.as_ref().map_or("no layer with places".to_owned(), ToString::to_string)));
        lines.push(("style at", names(&roles.style)));
        lines.push(("content at", names(&roles.content)));
        lines.push(("dreams at", roles.dream.as_ref().map_or(String::new(), ToString::to_string)));
        match roles.attention.as_slice() {
            [] => {}
            [one] => lines.push(("attention", one.to_string())),
            [first, .., last] => {
                lines.push(("attention", format!("{} layers, {first} to {last}", roles.attention.len())));
            }
        }
        if !from.outputs.is_empty() {
            lines.push(("outputs", format!("{} (--output)", from.outputs.join(", "))));
        }
        let assumed = |Assumption { what, option }: &Assumption| ("assumed", format!("{what} ({option})"));
        lines.extend(from.assumed.iter().map(assumed));
        lines.extend(from.doubt.iter().map(|doubt| ("doubtful", doubt.clone())));
        lines
    }
}

/// The word that files have for it.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn list(values: &[f32]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn names(layers: &[LayerName]) -> String {
    layers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
