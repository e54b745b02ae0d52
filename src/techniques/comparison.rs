//! Several methods, classes or layers on one picture, from shared passes.

use super::attribution::{Estimation, Method, Passes, Subject};
use super::classifier::seen_by;
use super::similarity::rank_correlations;
use crate::error::{Error, Result};
use crate::graph::LayerName;
use crate::techniques::api::{Context, Job, Panel, Params, State, Technique, View};
use crate::techniques::maps::{MapJob, MapMaking};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// How many maps stand side by side.
pub const COMPARED: std::ops::RangeInclusive<usize> = 2..=9;

/// One of the maps of a comparison.
pub struct Variation {
    /// The method.
    pub method: &'static Method,
    /// Its parameters.
    pub params: Params,
    /// The class it explains; the picture's top one unless given.
    pub class: Option<usize>,
    /// The layer it looks at; the model's default unless given.
    pub layer: Option<LayerName>,
}

/// A job that makes all the maps together: one forward pass, and one backward pass a class, serve every method that
/// looks at a gradient.
///
/// # Errors
/// If there are too few or too many of them, or something they need is missing or does not fit.
pub fn compare(context: Context, variations: Vec<Variation>) -> Result<Box<dyn Job>> {
    if !COMPARED.contains(&variations.len()) {
        let range = format!("a comparison takes {} to {} maps", COMPARED.start(), COMPARED.end());
        return Err(Error::bad_value("compare", variations.len(), range));
    }
    let model = context.model;
    let picture =
        context.picture.ok_or(Error::Missing { technique: "compare", what: "a picture: give an image file" })?;
    model.info.classes()?;
    let (picture, input) = seen_by(&model, &picture)?;
    variations.iter().try_for_each(|v| v.method.check(&model))?;
    let layers = variations.iter().map(|v| v.method.layer_of(&model, v.layer.as_ref()));
    let layers = layers.collect::<Result<Vec<_>>>()?;
    let (mut taps, mut wanted, mut reaches) = (vec![], vec![], vec![]);
    for (variation, layer) in variations.iter().zip(&layers) {
        push_new(&mut taps, layer.clone());
        push_new(&mut reaches, variation.method.reaches(layer));
        variation.method.wanted(layer).into_iter().for_each(|layer| push_new(&mut wanted, layer));
    }
    let several = |differs: &dyn Fn(usize) -> bool| (1..variations.len()).any(differs);
    let methods = several(&|i| !std::ptr::eq(variations[i].method, variations[0].method));
    let many_classes = several(&|i| variations[i].class != variations[0].class);
    let many_layers = several(&|i| layers[i] != layers[0]);
    let classes: Vec<usize> = variations.iter().filter_map(|v| v.class).collect();
    let passes = Arc::new(Passes::new(model, picture, input, &taps, wanted, reaches)?);
    let mut panels = vec![];
    for (variation, layer) in variations.into_iter().zip(layers) {
        let subject = Subject::of(passes.clone(), variation.class, layer, context.seed)?;
        let mut words = vec![];
        if methods || !(many_classes || many_layers) {
            words.push(variation.method.id().to_owned());
        }
        if many_classes {
            let info = &passes.model.info;
            let label = info.label(subject.class);
            // Some files call several classes the same.
            let shared = classes.iter().any(|&other| other != subject.class && info.label(other) == label);
            words.push(if shared { format!("{label} #{}", subject.class) } else { label });
        }
        if many_layers {
            words.push(subject.layer.to_string());
        }
        panels.push((words.join(" · "), Estimation::new(variation.method, subject, variation.params)?));
    }
    Ok(Box::new(MapJob::new(Comparison { passes, panels })))
}

fn push_new(list: &mut Vec<LayerName>, layer: LayerName) {
    if !list.contains(&layer) {
        list.push(layer);
    }
}

struct Comparison {
    passes: Arc<Passes>,
    panels: Vec<(String, Estimation)>,
}

impl Comparison {
    fn maps(&self) -> Vec<crate::imaging::HeatMap> {
        self.panels.iter().filter_map(|(_, e)| Some(e.found.as_ref()?.heat.clone())).collect()
    }
}

impl MapMaking for Comparison {
    fn made(&self) -> usize {
        self.panels.iter().map(|(_, e)| e.made).max().unwrap_or(0)
    }

    fn total(&self) -> usize {
        self.panels.iter().map(|(_, e)| e.total()).max().unwrap_or(1)
    }

    fn is_done(&self) -> bool {
        self.panels.iter().all(|(_, e)| e.is_done())
    }

    fn logits(&self) -> &[f32] {
        &self.passes.logits
    }

    /// The next update of every map that is not done; the curve's point is the largest change.
    fn update(&mut self) -> Result<Vec<(&'static str, f64)>> {
        let mut most = 0f64;
        for (_, estimation) in self.panels.iter_mut().filter(|(_, e)| !e.is_done()) {
            most = most.max(estimation.update()?);
        }
        Ok(if self.panels.iter().any(|(_, e)| e.total() > 1) { vec![("change", most)] } else { vec![] })
    }

    /// `params` are those of the run's own method; what is live of them counts for every map that has it.
    fn set_live(&mut self, params: &Params) -> Result<()> {
        for (_, estimation) in &mut self.panels {
            estimation.set_live(params)?;
        }
        Ok(())
    }

    fn view(&self) -> View {
        let panel = |(title, estimation): &(String, Estimation)| {
            Some(Panel { title: title.clone(), heat: estimation.found.as_ref()?.heat.clone() })
        };
        let panels: Vec<Panel> = self.panels.iter().filter_map(panel).collect();
        let similarity = rank_correlations(&self.maps());
        View { input: Some(self.passes.picture.clone()), cropped: true, panels, similarity, ..View::default() }
    }

    fn facts(&self) -> Map<String, Value> {
        let mut facts = Map::new();
        let maps: Vec<Value> = self
            .panels
            .iter()
            .map(|(title, estimation)| {
                let mut map = estimation.facts();
                map.insert("title".into(), title.as_str().into());
                map.insert("updates".into(), estimation.made.into());
                Value::Object(map)
            })
            .collect();
        facts.insert("maps".into(), maps.into());
        facts.insert("rank_correlation".into(), json!(rank_correlations(&self.maps())));
        if let Some((_, first)) = self.panels.first() {
            facts.insert("class".into(), first.subject.model().info.class_fact(first.subject.class));
        }
        facts
    }

    fn save(&self) -> Option<State> {
        if !self.panels.iter().any(|(_, e)| e.is_live()) {
            return None;
        }
        let parts = self.panels.iter().enumerate().map(|(i, (_, e))| e.save().under(&i.to_string()));
        Some(parts.fold(State::default(), State::and))
    }

    fn load(&mut self, state: &State) -> Result<()> {
        for (i, (_, estimation)) in self.panels.iter_mut().enumerate() {
            estimation.load(&state.part(&i.to_string()))?;
        }
        Ok(())
    }
}
