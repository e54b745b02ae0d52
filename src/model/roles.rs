//! Which layers serve as what.

use super::tokens::Named;
use crate::error::Result;
use crate::graph::{Family, Graph, LayerInfo, LayerName};
use serde::{Deserialize, Serialize};

/// How many times smaller than the input the map of DeepDream's layer is at most: deep enough for things, not yet for
/// whole classes.
const DREAM_REDUCTION: usize = 20;
/// Layers from a convolution to its rectifier, both counted: a normalisation may stand between.
const BLOCK: usize = 3;
/// Which of the style layers is the content's: the third, as in the literature.
const CONTENT: usize = 2;

/// The layers that techniques turn to unless told otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Roles {
    /// Class activation maps: the last layer with places, what goes into global pooling or the first linear layer.
    pub cam: Option<LayerName>,
    /// Style transfer's content: the third of the style layers, or the last of fewer.
    pub content: Vec<LayerName>,
    /// Style transfer's style: the first rectifier after each halving of the map.
    pub style: Vec<LayerName>,
    /// DeepDream: the middle one of the layers whose map is about a sixteenth of the input.
    pub dream: Option<LayerName>,
    /// Attention weights of a transformer whose tokens attend to all patches, from the input to the output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attention: Vec<LayerName>,
}

impl Roles {
    /// The same with what is missing found from the network: from its named layers that have places to point at and lead
    /// to the output. `layers` are all the named ones, `classes` how many classes it tells apart.
    ///
    /// # Errors
    /// If a layer does not exist.
    pub(super) fn completed(mut self, graph: &Graph, layers: &[LayerInfo], classes: Option<usize>) -> Result<Self> {
        let Some(output) = layers.iter().find(|l| l.name.as_str() == LayerName::LOGITS).or(layers.last()) else {
            return Ok(self);
        };
        let leading = graph.layers_before(&output.name)?;
        let kinds = layers.iter().zip(graph.families()).map(|(info, family)| Named { info, family });
        let leading: Vec<Named<'_>> = kinds.filter(|l| leading.contains(&l.name)).collect();
        let mut spatial: Vec<Named<'_>> = leading.iter().copied().filter(|l| l.is_map()).collect();
        let last = || spatial.last().map(|l| l.name.clone());
        self.cam = self.cam.or_else(|| super::tokens::cam(&leading)).or_else(last);
        if self.attention.is_empty() {
            self.attention = super::tokens::attention(&leading);
        }
        // In a map for each class everything is decided already; what there is to paint and to dream stands before.
        let before = spatial.iter().rposition(|l| Some(l.shape[0]) != classes);
        spatial.truncate(before.map_or(spatial.len(), |last| last + 1));
        self.dream = self.dream.or_else(|| dream(&spatial, layers)).or_else(|| self.cam.clone());
        if self.style.is_empty() {
            self.style = first_of_each_size(&spatial);
        }
        if self.content.is_empty() {
            self.content = self.style.get(..=CONTENT).unwrap_or(&self.style).last().cloned().into_iter().collect();
        }
        Ok(self)
    }

    pub(super) fn check(&self, graph: &Graph) -> Result<()> {
        let mut all =
            self.cam.iter().chain(&self.content).chain(&self.style).chain(&self.dream).chain(&self.attention);
        all.try_for_each(|layer| graph.layer(layer.as_str()).map(drop))
    }
}

fn dream(layers: &[Named<'_>], all: &[LayerInfo]) -> Option<LayerName> {
    let input = side(all.iter().find(|l| l.name.as_str() == LayerName::INPUT)?);
    let smallest = layers.iter().map(|l| side(l)).filter(|s| s * DREAM_REDUCTION >= input).min()?;
    let there: Vec<&Named<'_>> = layers.iter().filter(|l| side(l) == smallest).collect();
    there.get(there.len() / 2).map(|l| l.name.clone())
}

/// Of the layers from each halving to the next, the rectifier of the first convolution; where it has no name, the first
/// that is no pooling.
fn first_of_each_size(layers: &[Named<'_>]) -> Vec<LayerName> {
    let mut sizes: Vec<Vec<Named<'_>>> = vec![];
    for &layer in layers {
        let smaller = sizes.last().is_none_or(|size| side(&layer) < side(&size[0]));
        match sizes.last_mut().filter(|_| !smaller) {
            // What has been enlarged again belongs to none.
            Some(size) if side(&layer) == side(&size[0]) => size.push(layer),
            Some(_) => {}
            None => sizes.push(vec![layer]),
        }
    }
    let first = |size: &Vec<Named<'_>>| {
        let mut computed = size.iter().filter(|l| l.family != Family::Pooling);
        let rectifier = computed.clone().take(BLOCK).find(|l| l.family == Family::Rectifier);
        rectifier.or(computed.next()).or(size.first()).map(|l| l.name.clone())
    };
    sizes.iter().filter_map(first).collect()
}

fn side(layer: &LayerInfo) -> usize {
    layer.shape[1].min(layer.shape[2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BUILT_IN, Entry, Model, UNTRAINED, find};
    use candle_core::Device;

    fn found(known: &[Entry], id: &str) -> Roles {
        let entry = find(known, id).expect("a model");
        let model: Model = entry.build(&entry.weights(), &Device::Cpu).expect("its weights");
        let classes = model.info.output.as_ref().map(crate::model::Output::count);
        Roles::default().completed(&model.graph, &model.info.layers, classes).expect("roles")
    }

    fn names(layers: &[LayerName]) -> Vec<&str> {
        layers.iter().map(LayerName::as_str).collect()
    }

    #[test]
    fn what_architectures_say_can_be_found() {
        let vgg = found(BUILT_IN, "vgg16_hed");
        assert_eq!(names(&vgg.style), ["relu1_1", "relu2_1", "relu3_1", "relu4_1"]);
        assert_eq!((names(&vgg.content), vgg.cam), (vec!["relu3_1"], Some("relu4_3".into())));
        let lite = found(BUILT_IN, "tf_efficientnet_lite0");
        assert_eq!((lite.cam, lite.dream), (Some("head".into()), Some("blocks.4.0".into())));
        assert_eq!(names(&lite.style), ["stem", "blocks.1.0", "blocks.2.0", "blocks.3.0", "blocks.5.0"]);
        let squeeze = found(UNTRAINED, "squeezenet1_1");
        assert_eq!((squeeze.cam, squeeze.dream), (Some("head".into()), Some("fire8".into())));
        assert_eq!(names(&squeeze.style), ["stem", "fire2", "fire4", "fire6"]);
        assert_eq!(names(&squeeze.content), ["fire4"]);
    }

    #[test]
    fn what_is_given_stays() {
        let entry = find(UNTRAINED, "squeezenet1_1").expect("a model");
        let model = entry.build(&entry.weights(), &Device::Cpu).expect("its weights");
        let given = Roles { cam: Some("fire5".into()), style: vec!["fire3".into()], ..Roles::default() };
        let roles = given.completed(&model.graph, &model.info.layers, None).expect("roles");
        assert_eq!(
            (roles.cam, names(&roles.style), names(&roles.content)),
            (Some("fire5".into()), vec!["fire3"], vec!["fire3"])
        );
        let missing = Roles { cam: Some("fire99".into()), ..Roles::default() };
        assert!(missing.check(&model.graph).is_err());
    }
}
