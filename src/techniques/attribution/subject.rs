//! What is explained: one photo in front of one classifier, with its passes computed once for all who ask.

use super::cam::Planes;
use crate::error::Result;
use crate::graph::{Activations, Gradients, Graph, LayerName, class_seed};
use crate::imaging::Picture;
use crate::kernels::ReluRule;
use crate::model::{Model, Output};
use crate::techniques::classifier::finite;
use candle_core::Tensor;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Pictures a forward pass takes at once: enough to fill the cores, few enough to stay in the cache.
pub(in crate::techniques) const BATCH: usize = 4;

/// One input with its passes, shared by every method, class and layer that is compared on it.
pub(in crate::techniques) struct Passes {
    pub model: Arc<Model>,
    /// Its network for these passes alone.
    graph: Graph,
    /// What the model's scores mean.
    output: Output,
    /// The photo as the model sees it.
    pub picture: Picture,
    /// The model's input `[1, C, H, W]`.
    pub input: Tensor,
    pub logits: Vec<f32>,
    activations: Activations,
    /// Where ∂z is wanted, besides what is asked for later: one backward pass serves them all.
    wanted: Vec<LayerName>,
    /// The layers before which no ∂z will be asked for.
    reaches: Vec<LayerName>,
    gradients: Mutex<HashMap<usize, Arc<Gradients>>>,
    planes: Mutex<HashMap<(usize, LayerName), Arc<Planes>>>,
}

impl Passes {
    /// The forward pass over `input`, with `layers` tapped; gradients at `wanted` come together, and none is asked for before `reaches`.
    pub fn new(
        model: Arc<Model>,
        picture: Picture,
        input: Tensor,
        layers: &[LayerName],
        wanted: Vec<LayerName>,
        reaches: Vec<LayerName>,
    ) -> Result<Self> {
        let output = model.info.classes()?.clone();
        let mut taps = vec![LayerName::LOGITS.into()];
        taps.extend(layers.iter().cloned());
        let graph = model.graph.once();
        let activations = graph.forward_for(&input, &taps, &reaches)?;
        let logits = finite(&model, activations.logits()?.flatten_all()?.to_vec1::<f32>()?)?;
        Ok(Self {
            model,
            graph,
            output,
            picture,
            input,
            logits,
            activations,
            wanted,
            reaches,
            gradients: Mutex::default(),
            planes: Mutex::default(),
        })
    }

    fn gradient(&self, class: usize, layer: &LayerName) -> Result<Tensor> {
        let known = self.gradients.lock().unwrap_or_else(PoisonError::into_inner).get(&class).cloned();
        if let Some(found) = known.as_ref().and_then(|g| g.get(layer).ok()) {
            return Ok(found.clone());
        }
        let mut wrt = self.wanted.clone();
        if !wrt.contains(layer) {
            wrt.push(layer.clone());
        }
        let gradients = Arc::new(self.backward(class, &wrt, ReluRule::Standard)?);
        let found = gradients.get(layer)?.clone();
        self.gradients.lock().unwrap_or_else(PoisonError::into_inner).insert(class, gradients);
        Ok(found)
    }

    fn backward(&self, class: usize, wrt: &[LayerName], rule: ReluRule) -> Result<Gradients> {
        let seed = class_seed(1, self.logits.len(), class, self.model.device())?;
        self.graph.backward(&self.activations, &[(LayerName::LOGITS.into(), seed)], wrt, rule)
    }
}

/// A class of an input, looked for at a layer.
#[derive(Clone)]
pub(in crate::techniques) struct Subject {
    pub passes: Arc<Passes>,
    /// The class that is explained.
    pub class: usize,
    /// The layer that is looked at.
    pub layer: LayerName,
    /// Seed of everything random.
    pub seed: u64,
}

impl Subject {
    /// A class of an input, its top one unless given.
    pub fn of(passes: Arc<Passes>, class: Option<usize>, layer: LayerName, seed: u64) -> Result<Self> {
        let class = passes.output.labels.check(class.unwrap_or_else(|| passes.output.explained(&passes.logits)))?;
        Ok(Self { passes, class, layer, seed })
    }

    /// The same question about another input, or to another model.
    pub fn asked_of(&self, model: &Arc<Model>, input: &Tensor) -> Result<Self> {
        let layers = std::slice::from_ref(&self.layer);
        let (wanted, reaches) = (self.passes.wanted.clone(), self.passes.reaches.clone());
        let picture = self.passes.picture.clone();
        let passes = Passes::new(model.clone(), picture, input.clone(), layers, wanted, reaches)?;
        Ok(Self { passes: Arc::new(passes), ..self.clone() })
    }

    pub fn model(&self) -> &Model {
        &self.passes.model
    }

    /// The model's network, for a pass or two.
    pub fn graph(&self) -> &Graph {
        &self.passes.graph
    }

    /// The model's input `[1, C, H, W]`.
    pub fn input(&self) -> &Tensor {
        &self.passes.input
    }

    /// z_c of the input.
    pub fn score(&self) -> f32 {
        self.passes.logits[self.class]
    }

    /// A: the activations of the layer, `[1, C, H, W]`; of tokens those of the patches, on their grid.
    pub fn activations(&self) -> Result<Tensor> {
        self.at_places(self.whole_activations()?)
    }

    /// The activations of the layer `[1, C, H, W]`, all that there are of tokens `[1, C, T, 1]`.
    pub fn whole_activations(&self) -> Result<Tensor> {
        self.passes.activations.get(&self.layer)
    }

    /// Values at the layer, those of patches on their grid.
    pub fn at_places(&self, values: Tensor) -> Result<Tensor> {
        self.model().at_places(&self.layer, values)
    }

    /// The layer's activations and gradients, shared by every map that is made of them.
    pub(super) fn planes(&self) -> Result<Arc<Planes>> {
        let key = (self.class, self.layer.clone());
        let known = |planes: &HashMap<_, _>| planes.get(&key).cloned();
        if let Some(planes) = known(&self.passes.planes.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(planes);
        }
        let gradient = self.passes.gradient(self.class, &self.layer)?;
        let planes = Arc::new(Planes::new(&self.activations()?, &self.at_places(gradient)?)?);
        self.passes.planes.lock().unwrap_or_else(PoisonError::into_inner).insert(key, planes.clone());
        Ok(planes)
    }

    /// ∂z_c/∂x, `[1, C, H, W]`.
    pub fn input_gradient(&self) -> Result<Tensor> {
        self.passes.gradient(self.class, &LayerName::INPUT.into())
    }

    /// What arrives at the input when rectifiers pass gradients by `rule`, `[1, C, H, W]`.
    pub fn input_gradient_by(&self, rule: ReluRule) -> Result<Tensor> {
        Ok(self.passes.backward(self.class, &[LayerName::INPUT.into()], rule)?.input()?.clone())
    }

    /// The gradient of z_c at the logits, for passes over the input that keep every layer.
    pub fn logit_seed(&self) -> Result<[(LayerName, Tensor); 1]> {
        let seed = class_seed(1, self.passes.logits.len(), self.class, self.model().device())?;
        Ok([(LayerName::LOGITS.into(), seed)])
    }

    /// The logits of each input of a batch `[N, C, H, W]`.
    pub fn logits_of(&self, batch: &Tensor) -> Result<Vec<Vec<f32>>> {
        Ok(self.model().graph.logits(batch)?.to_vec2::<f32>()?)
    }

    /// z_c of each input of a batch `[N, C, H, W]`.
    pub fn scores_of(&self, batch: &Tensor) -> Result<Vec<f32>> {
        Ok(self.logits_of(batch)?.into_iter().map(|z| z[self.class]).collect())
    }

    /// The probability of the class for each input of a batch `[N, C, H, W]`; its logit, if scores are plain numbers.
    pub fn probabilities_of(&self, batch: &Tensor) -> Result<Vec<f32>> {
        let output = &self.passes.output;
        Ok(self.logits_of(batch)?.iter().map(|z| output.probabilities(z)[self.class]).collect())
    }

    /// ∂z_c/∂ at the layers `wrt` for each input of a batch `[N, C, H, W]`, with the layer's activations.
    pub fn gradients_of(&self, batch: &Tensor, wrt: &LayerName) -> Result<(Activations, Tensor)> {
        let output: LayerName = LayerName::LOGITS.into();
        let wanted = std::slice::from_ref(wrt);
        let activations = self.model().graph.forward_for(batch, &[output.clone(), wrt.clone()], wanted)?;
        let seed = class_seed(batch.dim(0)?, self.passes.logits.len(), self.class, self.model().device())?;
        let gradients = self.model().graph.backward(&activations, &[(output, seed)], wanted, ReluRule::Standard)?;
        let gradient = gradients.get(wrt)?.clone();
        Ok((activations, gradient))
    }
}
