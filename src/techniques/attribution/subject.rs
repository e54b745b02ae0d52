//! What is explained: one photo in front of one classifier, with its passes computed once for all who ask.

use super::super::classifier::{require_classes, seen_by, top_class};
use super::cam::Planes;
use crate::error::{Error, Result};
use crate::graph::{Activations, Gradients, LayerName, class_seed};
use crate::imaging::Picture;
use crate::kernels::ReluRule;
use crate::model::Model;
use crate::techniques::api::Context;
use candle_core::Tensor;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Pictures a forward pass takes at once: enough to fill the cores, few enough to stay in the cache.
pub(in crate::techniques) const BATCH: usize = 4;

/// One input and its passes, shared by every method, class and layer that is compared on it.
pub(in crate::techniques) struct Scene {
    pub model: Arc<Model>,
    /// The photo as the model sees it.
    pub picture: Picture,
    /// The model's input `[1, 3, H, W]`.
    pub input: Tensor,
    pub logits: Vec<f32>,
    activations: Activations,
    /// Where ∂z is wanted, besides what is asked for later: one backward pass serves them all.
    wanted: Vec<LayerName>,
    gradients: Mutex<HashMap<usize, Arc<Gradients>>>,
    planes: Mutex<HashMap<(usize, LayerName), Arc<Planes>>>,
}

impl Scene {
    /// The forward pass over `input`, with `layers` tapped; gradients at `wanted` come together.
    pub fn new(
        model: Arc<Model>,
        picture: Picture,
        input: Tensor,
        layers: &[LayerName],
        wanted: Vec<LayerName>,
    ) -> Result<Self> {
        let mut taps = vec![LayerName::LOGITS.into()];
        taps.extend(layers.iter().cloned());
        let activations = model.graph.forward(&input, &taps)?;
        let logits = activations.logits()?.flatten_all()?.to_vec1::<f32>()?;
        Ok(Self {
            model,
            picture,
            input,
            logits,
            activations,
            wanted,
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
        self.model.graph.backward(&self.activations, &[(LayerName::LOGITS.into(), seed)], wrt, rule)
    }
}

/// A class of a scene, looked for at a layer.
#[derive(Clone)]
pub(in crate::techniques) struct Subject {
    pub scene: Arc<Scene>,
    /// The class that is explained.
    pub class: usize,
    /// The layer that is looked at.
    pub layer: LayerName,
    /// Seed of everything random.
    pub seed: u64,
}

impl Subject {
    /// The subject of a run; `wanted` says where gradients will be asked for, given the layer.
    pub fn new(
        technique: &'static str,
        context: Context,
        wanted: impl FnOnce(&LayerName) -> Vec<LayerName>,
    ) -> Result<Self> {
        let what = "a picture: give an image file";
        let picture = context.picture.ok_or(Error::Missing { technique, what })?;
        require_classes(&context.model)?;
        let layer = layer_of(&context.model, context.layer.as_ref())?;
        let (picture, input) = seen_by(&context.model, &picture)?;
        let wanted = wanted(&layer);
        let scene = Scene::new(context.model, picture, input, std::slice::from_ref(&layer), wanted)?;
        Self::of(Arc::new(scene), context.class, layer, context.seed)
    }

    /// A class of a scene, its top one unless given.
    pub fn of(scene: Arc<Scene>, class: Option<usize>, layer: LayerName, seed: u64) -> Result<Self> {
        let class = class.unwrap_or_else(|| top_class(&scene.logits));
        // Refuses a class that does not exist before anything is computed.
        class_seed(1, scene.logits.len(), class, scene.model.device())?;
        Ok(Self { scene, class, layer, seed })
    }

    /// The same question about another input, or to another model.
    pub fn asked_of(&self, model: &Arc<Model>, input: &Tensor) -> Result<Self> {
        let layers = std::slice::from_ref(&self.layer);
        let wanted = self.scene.wanted.clone();
        let scene = Scene::new(model.clone(), self.scene.picture.clone(), input.clone(), layers, wanted)?;
        Ok(Self { scene: Arc::new(scene), ..self.clone() })
    }

    pub fn model(&self) -> &Model {
        &self.scene.model
    }

    /// The model's input `[1, 3, H, W]`.
    pub fn input(&self) -> &Tensor {
        &self.scene.input
    }

    /// z_c of the input.
    pub fn score(&self) -> f32 {
        self.scene.logits[self.class]
    }

    /// A: the activations of the layer, `[1, C, H, W]`.
    pub fn activations(&self) -> Result<Tensor> {
        self.scene.activations.get(&self.layer)
    }

    /// The layer's activations and gradients, shared by every map that is made of them.
    pub(super) fn planes(&self) -> Result<Arc<Planes>> {
        let key = (self.class, self.layer.clone());
        let known = |planes: &HashMap<_, _>| planes.get(&key).cloned();
        if let Some(planes) = known(&self.scene.planes.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(planes);
        }
        let gradient = self.scene.gradient(self.class, &self.layer)?;
        let planes = Arc::new(Planes::new(&self.activations()?, &gradient)?);
        self.scene.planes.lock().unwrap_or_else(PoisonError::into_inner).insert(key, planes.clone());
        Ok(planes)
    }

    /// ∂z_c/∂x, `[1, 3, H, W]`.
    pub fn input_gradient(&self) -> Result<Tensor> {
        self.scene.gradient(self.class, &LayerName::INPUT.into())
    }

    /// What arrives at the input when rectifiers pass gradients by `rule`, `[1, 3, H, W]`.
    pub fn input_gradient_by(&self, rule: ReluRule) -> Result<Tensor> {
        Ok(self.scene.backward(self.class, &[LayerName::INPUT.into()], rule)?.input()?.clone())
    }

    /// The gradient of z_c at the logits, for passes over the input that keep every layer.
    pub fn logit_seed(&self) -> Result<[(LayerName, Tensor); 1]> {
        let seed = class_seed(1, self.scene.logits.len(), self.class, self.model().device())?;
        Ok([(LayerName::LOGITS.into(), seed)])
    }

    /// The logits of each input of a batch `[N, 3, H, W]`.
    pub fn logits_of(&self, batch: &Tensor) -> Result<Vec<Vec<f32>>> {
        Ok(self.model().graph.logits(batch)?.to_vec2::<f32>()?)
    }

    /// z_c of each input of a batch `[N, 3, H, W]`.
    pub fn scores_of(&self, batch: &Tensor) -> Result<Vec<f32>> {
        Ok(self.logits_of(batch)?.into_iter().map(|z| z[self.class]).collect())
    }

    /// The probability of the class for each input of a batch `[N, 3, H, W]`.
    pub fn probabilities_of(&self, batch: &Tensor) -> Result<Vec<f32>> {
        Ok(self.logits_of(batch)?.iter().map(|z| probability(z, self.class)).collect())
    }

    /// ∂z_c/∂ at the layers `wrt` for each input of a batch `[N, 3, H, W]`, with the layer's activations.
    pub fn gradients_of(&self, batch: &Tensor, wrt: &LayerName) -> Result<(Activations, Tensor)> {
        let output: LayerName = LayerName::LOGITS.into();
        let activations = self.model().graph.forward(batch, &[output.clone(), wrt.clone()])?;
        let seed = class_seed(batch.dim(0)?, self.scene.logits.len(), self.class, self.model().device())?;
        let wanted = std::slice::from_ref(wrt);
        let gradients = self.model().graph.backward(&activations, &[(output, seed)], wanted, ReluRule::Standard)?;
        let gradient = gradients.get(wrt)?.clone();
        Ok((activations, gradient))
    }
}

/// The layer asked for, or the model's last with spatial extent.
pub(in crate::techniques) fn layer_of(model: &Model, layer: Option<&LayerName>) -> Result<LayerName> {
    match layer {
        Some(layer) => model.layer(layer.as_str()),
        None => model.layer_or_usual(None),
    }
}

/// A class's probability under a softmax.
pub(in crate::techniques) fn probability(logits: &[f32], class: usize) -> f32 {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits.iter().map(|z| f64::from(z - highest).exp()).sum();
    (f64::from(logits[class] - highest).exp() / total) as f32
}
