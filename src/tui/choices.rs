//! What the dashboard offers to choose from: classes, layers, comparisons.

use super::action::{Action, Comparable};
use super::app::App;
use super::dialogs::Picker;
use crate::engine::{ClassName, Compared, ScoreSpec, Task};

use crate::techniques::{COMPARED, Group, Method, Need, TECHNIQUES, method};

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

impl App {
    pub(super) fn pick_class(&mut self) {
        let needs = self.current().needs();
        if needs.target != Need::None {
            self.dialog = Some(Box::new(Picker::class(
                "mistaken for",
                self.class_names(),
                self.spec.target.as_ref().and_then(ClassName::index),
                Action::SetTarget,
            )));
        } else if needs.class != Need::None {
            let class = self.spec.class.as_ref().and_then(ClassName::index).or(self.photo_class);
            self.dialog = Some(Box::new(Picker::class("class", self.class_names(), class, Action::SetClass)));
        } else {
            self.say("this technique has no class");
        }
    }

    pub(super) fn pick_layer(&mut self) {
        let layers = self.spatial_layers();
        if self.current().needs().layer == Need::None {
            return self.say("this technique looks at no layer");
        }
        let present = self.spec.layer.as_ref().and_then(|layer| layers.iter().position(|l| l == layer));
        let present = present.unwrap_or(layers.len().saturating_sub(1));
        let items = layers.clone();
        let choose = move |i: usize| Action::SetLayer(layers[i].clone());
        self.dialog = Some(Box::new(Picker::one("layer", items, present, choose)));
    }

    /// Scores the map that is shown; the engine keeps it if nothing else has changed.
    pub(super) fn score(&mut self) {
        if !self.is_attribution() {
            return;
        }
        if self.spec.task.is_compare() {
            return self.say("one map is scored at a time; g leaves the comparison");
        }
        let mut spec = self.chosen();
        spec.task = Task::Score(ScoreSpec::default());
        self.ask_for(spec);
    }

    pub(super) fn pick_comparison(&mut self) {
        if !self.is_attribution() {
            return;
        }
        if self.spec.task.is_compare() {
            return self.apply(Action::Compare(vec![]));
        }
        let cams: Vec<&str> =
            TECHNIQUES.iter().filter(|t| method(**t).is_some_and(Method::is_cam)).map(|t| t.id()).collect();
        let layered = self.layered();
        let choices = vec![
            ("the CAM methods, from one pass".to_owned(), Action::Compare(methods(&cams))),
            ("nine quick methods".to_owned(), Action::Compare(methods(&QUICK))),
            (format!("{} for the likeliest classes", self.current().id()), Action::Compare(self.top_classes())),
            (format!("{layered} from the first layers to the last"), Action::Compare(self.spread_layers())),
            ("methods of your choice …".to_owned(), Action::PickCompared(Comparable::Methods)),
            ("classes of your choice …".to_owned(), Action::PickCompared(Comparable::Classes)),
            ("layers of your choice …".to_owned(), Action::PickCompared(Comparable::Layers)),
        ];
        let (items, actions): (Vec<String>, Vec<Action>) = choices.into_iter().unzip();
        let choose = move |i: usize| actions[i].clone();
        self.dialog = Some(Box::new(Picker::one("compare", items, 0, choose)));
    }

    pub(super) fn pick_compared(&mut self, what: Comparable) {
        let range = (*COMPARED.start(), *COMPARED.end());
        let technique = self.current().id().to_owned();
        let picker = match what {
            Comparable::Methods => {
                let ids: Vec<&str> =
                    TECHNIQUES.iter().filter(|t| t.group() == Group::Attribution).map(|t| t.id()).collect();
                let items = ids.iter().map(|id| (*id).to_owned()).collect();
                Picker::several("methods", items, range, move |marked| {
                    Action::Compare(methods(&marked.iter().map(|&i| ids[i]).collect::<Vec<_>>()))
                })
            }
            Comparable::Classes => Picker::several("classes", self.class_names(), range, move |marked| {
                let of = |&class: &usize| Compared {
                    technique: technique.clone(),
                    class: Some(class.into()),
                    layer: None,
                };
                Action::Compare(marked.iter().map(of).collect())
            })
            .numbered(),
            Comparable::Layers => {
                let (layers, technique) = (self.spatial_layers(), self.layered().to_owned());
                Picker::several("layers", layers.clone(), range, move |marked| {
                    Action::Compare(marked.iter().map(|&i| at_layer(&technique, &layers[i])).collect())
                })
            }
        };
        self.dialog = Some(Box::new(picker));
    }

    /// The names of the model's classes; none where it ends in features.
    fn class_names(&self) -> Vec<String> {
        let output = self.model.as_ref().and_then(|model| model.output.as_ref());
        output.map(|output| output.labels.iter().map(str::to_owned).collect()).unwrap_or_default()
    }

    /// The layers that maps can be taken at, from the input to the output.
    fn spatial_layers(&self) -> Vec<String> {
        let layers = self.model.iter().flat_map(|model| model.spatial_layers());
        layers.map(|layer| layer.name.to_string()).collect()
    }

    fn is_attribution(&mut self) -> bool {
        let is = self.current().group() == Group::Attribution;
        if !is {
            self.say("this is for attribution methods");
        }
        is
    }

    /// The present method if it looks at a layer, else Grad-CAM.
    fn layered(&self) -> &'static str {
        if self.current().needs().layer == Need::None { "gradcam" } else { self.current().id() }
    }

    fn top_classes(&self) -> Vec<Compared> {
        let technique = self.current().id();
        let of = |class: usize| Compared { technique: technique.to_owned(), class: Some(class.into()), layer: None };
        self.snapshot.course.top.iter().take(4).map(|p| of(p.index)).collect()
    }

    fn spread_layers(&self) -> Vec<Compared> {
        let layers = self.spatial_layers();
        let count = layers.len().min(*COMPARED.end());
        let place = |i: usize| i * layers.len().saturating_sub(1) / count.saturating_sub(1).max(1);
        (0..count).map(|i| at_layer(self.layered(), &layers[place(i)])).collect()
    }
}

fn methods(ids: &[&str]) -> Vec<Compared> {
    ids.iter().map(|id| Compared { technique: (*id).to_owned(), class: None, layer: None }).collect()
}

fn at_layer(technique: &str, layer: &str) -> Compared {
    Compared { technique: technique.to_owned(), class: None, layer: Some(layer.to_owned()) }
}
