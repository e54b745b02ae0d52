//! The pickers of what there is to choose from: techniques, classes, layers, comparisons, earlier runs. Each is a dialog, or
//! a sentence why there is nothing to choose.

use super::action::{Action, Comparable};
use super::app::{Choice, RunState};
use super::dialogs::{Dialog, ModelCard, Picker};
use crate::engine::{Compared, Past};
use crate::model::ModelInfo;
use crate::techniques::{COMPARED, Group, Method, Need, TECHNIQUES, method};

type Offer = Result<Box<dyn Dialog>, String>;

/// Methods that are quick and each say something else.
const QUICK: [&str; 9] = [
    "gradcam",
    "layercam",
    "eigencam",
    "saliency",
    "input-x-gradient",
    "guided-backprop",
    "guided-gradcam",
    "deeplift",
    "fullgrad",
];

/// The technique.
pub(super) fn technique(choice: &Choice) -> Box<dyn Dialog> {
    let items = TECHNIQUES.iter().map(|t| format!("{:<22} {}", t.id(), t.about())).collect();
    Box::new(Picker::one("technique", items, choice.place(), Action::Technique))
}

/// The class to explain or show, or the one to be mistaken for.
pub(super) fn class(choice: &Choice, run: &RunState) -> Offer {
    let needs = choice.technique().needs();
    let (title, action): (_, fn(usize) -> Action) = match (needs.target, needs.class) {
        (Need::None, Need::None) => return Err("this technique has no class".into()),
        (Need::None, _) => ("class", Action::SetClass),
        _ => ("mistaken for", Action::SetTarget),
    };
    let present = run.snapshot().about.or_else(|| run.predicted(&choice.model(run.models()))).unwrap_or(0);
    Ok(Box::new(Picker::one(title, class_names(run)?, present, action).numbered()))
}

/// The layer to look at.
pub(super) fn layer(choice: &Choice, run: &RunState) -> Offer {
    if choice.technique().needs().layer == Need::None {
        return Err("this technique looks at no layer".into());
    }
    let layers = layers(run)?;
    let usual = run.model().and_then(|model| model.roles.cam.as_ref()).map(ToString::to_string);
    let present = choice.layer().map(str::to_owned).or(usual);
    let present = present.and_then(|layer| layers.iter().position(|l| *l == layer));
    let present = present.unwrap_or(layers.len().saturating_sub(1));
    let shapes = run.model().into_iter().flat_map(ModelInfo::spatial_layers);
    let items = shapes.map(|layer| {
        let [c, h, w] = layer.shape;
        format!("{:<28} {:<20} {c}×{h}×{w}", layer.name.as_str(), layer.kind)
    });
    let items = items.collect();
    Ok(Box::new(Picker::one("layer", items, present, move |i| Action::SetLayer(layers[i].clone()))))
}

/// What to compare.
pub(super) fn comparison(choice: &Choice, run: &RunState) -> Offer {
    let technique = choice.technique();
    if technique.group() != Group::Attribution {
        return Err("this is for attribution methods".into());
    }
    let layered = layered(choice);
    let mut choices = vec![
        ("the CAM methods, from one pass".to_owned(), Action::Compare(methods(&cams()))),
        ("nine quick methods".to_owned(), Action::Compare(methods(&QUICK))),
    ];
    let likeliest: Vec<Compared> =
        run.snapshot().course.top.iter().take(4).map(|p| of_class(technique.id(), p.index)).collect();
    if COMPARED.contains(&likeliest.len()) {
        choices.push((format!("{} for the likeliest classes", technique.id()), Action::Compare(likeliest)));
    }
    let layers = layers(run)?;
    let layers = spread(&layers);
    if COMPARED.contains(&layers.len()) {
        let maps = layers.iter().map(|layer| at_layer(layered, layer)).collect();
        choices.push((format!("{layered} from the first layers to the last"), Action::Compare(maps)));
    }
    choices.extend([
        ("methods of your choice …".to_owned(), Action::PickCompared(Comparable::Methods)),
        ("classes of your choice …".to_owned(), Action::PickCompared(Comparable::Classes)),
        ("layers of your choice …".to_owned(), Action::PickCompared(Comparable::Layers)),
    ]);
    let (items, actions): (Vec<String>, Vec<Action>) = choices.into_iter().unzip();
    Ok(Box::new(Picker::one("compare", items, 0, move |i| actions[i].clone())))
}

/// The methods, classes or layers to compare.
pub(super) fn compared(what: Comparable, choice: &Choice, run: &RunState) -> Offer {
    let range = (*COMPARED.start(), *COMPARED.end());
    let technique = choice.technique().id();
    let picker = match what {
        Comparable::Methods => {
            let all = TECHNIQUES.iter().filter(|t| t.group() == Group::Attribution);
            let ids: Vec<&str> = all.map(|t| t.id()).collect();
            let items = ids.iter().map(|id| (*id).to_owned()).collect();
            Picker::several("methods", items, range, move |marked| {
                Action::Compare(methods(&marked.iter().map(|&i| ids[i]).collect::<Vec<_>>()))
            })
        }
        Comparable::Classes => Picker::several("classes", class_names(run)?, range, move |marked| {
            Action::Compare(marked.iter().map(|&class| of_class(technique, class)).collect())
        })
        .numbered(),
        Comparable::Layers => {
            let (layers, technique) = (layers(run)?, layered(choice));
            Picker::several("layers", layers.clone(), range, move |marked| {
                Action::Compare(marked.iter().map(|&i| at_layer(technique, &layers[i])).collect())
            })
        }
    };
    Ok(Box::new(picker))
}

/// The earlier run to compare the present one with.
pub(super) fn reference(run: &RunState) -> Offer {
    let past = &run.snapshot().past;
    if past.is_empty() {
        return Err("there is no earlier run with a picture to compare with yet".into());
    }
    let item = |past: &Past| {
        let last = past.series.first().and_then(|s| Some(format!("{} {:.4}", s.name, s.points.last()?.1)));
        format!("run {} · {} · {} steps · {}", past.run, past.technique, past.step, last.unwrap_or_default())
    };
    let items = past.iter().rev().map(item).collect();
    let runs: Vec<u64> = past.iter().rev().map(|past| past.run).collect();
    Ok(Box::new(Picker::one("compare with", items, 0, move |i| Action::SetReference(runs[i]))))
}

/// What is known of the model.
pub(super) fn card(run: &RunState) -> Offer {
    let model = run.model().ok_or("the model is still being read")?;
    Ok(Box::new(ModelCard::new(model)))
}

/// The names of the model's classes.
fn class_names(run: &RunState) -> Result<Vec<String>, String> {
    let model = run.model().ok_or("the model is still being read")?;
    match &model.output {
        Some(output) => Ok(output.labels.iter().map(str::to_owned).collect()),
        None => Err(format!("{} has no classes: it ends in features", model.id)),
    }
}

/// The layers that maps can be taken at, from the input to the output.
fn layers(run: &RunState) -> Result<Vec<String>, String> {
    let model = run.model().ok_or("the model is still being read")?;
    Ok(model.spatial_layers().map(|layer| layer.name.to_string()).collect())
}

/// The present method if it looks at a layer, else Grad-CAM.
fn layered(choice: &Choice) -> &'static str {
    let technique = choice.technique();
    if technique.needs().layer == Need::None { "gradcam" } else { technique.id() }
}

/// As many of the layers as can be compared, evenly spread.
fn spread(layers: &[String]) -> Vec<&String> {
    let count = layers.len().min(*COMPARED.end());
    let place = |i: usize| i * layers.len().saturating_sub(1) / count.saturating_sub(1).max(1);
    (0..count).map(|i| &layers[place(i)]).collect()
}

fn cams() -> Vec<&'static str> {
    TECHNIQUES.iter().filter(|t| method(**t).is_some_and(Method::is_cam)).map(|t| t.id()).collect()
}

fn methods(ids: &[&str]) -> Vec<Compared> {
    ids.iter().map(|id| Compared { technique: (*id).to_owned(), ..Compared::default() }).collect()
}

fn of_class(technique: &str, class: usize) -> Compared {
    Compared { technique: technique.to_owned(), class: Some(class.into()), layer: None }
}

fn at_layer(technique: &str, layer: &str) -> Compared {
    Compared { technique: technique.to_owned(), class: None, layer: Some(layer.to_owned()) }
}
