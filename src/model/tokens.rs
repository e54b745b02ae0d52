//! Tokens that stand for patches of the picture.

use crate::error::{Error, Result};
use crate::graph::{Family, LayerInfo, LayerName};
use candle_core::Tensor;

/// The most tokens beside the patches: class, distillation, registers.
const BESIDE: usize = 8;

/// A named layer and what kind of layer it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    pub info: &'a LayerInfo,
    pub family: Family,
}

impl std::ops::Deref for Named<'_> {
    type Target = LayerInfo;

    fn deref(&self) -> &LayerInfo {
        self.info
    }
}

/// Says of layers of tokens, of these families, which patches they stand for: those of the last map before them, if there are
/// as many.
pub(super) fn place(layers: &mut [LayerInfo], families: &[Family]) {
    let mut patches = None;
    let mut tokens = false;
    for (layer, family) in layers.iter_mut().zip(families) {
        let [_, height, width] = layer.shape;
        if layer.is_map() {
            // Between tokens, heads and their attention have the shape of maps: only what slides over a picture makes one.
            if !tokens || matches!(family, Family::Convolution | Family::Pooling) {
                patches = Some([height, width]);
            }
        } else if let Some([rows, columns]) = patches
            && width == 1
            && rows * columns > 1
            && (rows * columns..=rows * columns + BESIDE).contains(&height)
        {
            layer.grid = patches;
            tokens = true;
        }
    }
}

/// Where a transformer's class activation maps are taken. What decides is often the class token alone, so that behind the
/// last attention no patch has a say: then it is the norm before that, as pytorch-grad-cam recommends (`blocks[-1].norm1`).
pub(super) fn cam(layers: &[Named<'_>]) -> Option<LayerName> {
    let last = layers.iter().rfind(|layer| layer.grid.is_some())?;
    let [rows, columns] = last.grid?;
    let among = match layers.iter().rposition(|layer| layer.family == Family::Softmax) {
        Some(attention) if last.shape[1] > rows * columns => &layers[..attention],
        _ => layers,
    };
    let norm = among.iter().rfind(|layer| layer.grid.is_some() && layer.family == Family::Norm);
    Some(norm.unwrap_or(last).name.clone())
}

/// The layers of attention between tokens that stand for patches: a softmax over as many tokens as it is asked for. Attention
/// within windows is none.
pub(super) fn attention(layers: &[Named<'_>]) -> Vec<LayerName> {
    let Some(tokens) = layers.iter().rev().find_map(|layer| layer.grid.map(|_| layer.shape[1])) else {
        return vec![];
    };
    let all = layers.iter().filter(|layer| attends(layer, tokens));
    all.map(|layer| layer.name.clone()).collect()
}

/// Whether a layer is attention of so many tokens to each other, `[heads, T, T]`, or its rows.
fn attends(layer: &Named<'_>, tokens: usize) -> bool {
    layer.family == Family::Softmax && matches!(layer.shape, [_, t, u] | [t, u, 1] if t == tokens && u == tokens)
}

/// Values at a layer `[N, C, T, 1]`, those of its patches on their grid `[N, C, H, W]`; maps stay as they are.
///
/// # Errors
/// If there are other tokens than at the model's usual size.
pub(super) fn on_grid(layers: &[LayerInfo], layer: &LayerName, values: Tensor) -> Result<Tensor> {
    let grid = layers.iter().find(|known| known.name == *layer).and_then(|known| known.grid);
    let Some([rows, columns]) = grid else { return Ok(values) };
    let (n, c, tokens, _) = values.dims4()?;
    let beside = tokens.checked_sub(rows * columns).filter(|beside| *beside <= BESIDE).ok_or_else(|| {
        let reason = format!("its tokens stand for {rows}×{columns} patches only at the network's usual size");
        Error::bad_value("layer", layer, reason)
    })?;
    Ok(values.narrow(2, beside, rows * columns)?.reshape((n, c, rows, columns))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, shape: [usize; 3]) -> LayerInfo {
        LayerInfo { name: name.into(), kind: "".into(), shape, grid: None }
    }

    #[test]
    fn tokens_stand_for_the_patches_before_them() {
        let families = [
            Family::Other,
            Family::Convolution,
            Family::Norm,
            Family::Other,
            Family::Softmax,
            Family::Norm,
            Family::Other,
        ];
        let mut layers = vec![
            layer("input", [3, 32, 32]),
            layer("patches", [8, 4, 4]),
            layer("norm1", [8, 17, 1]),
            // Heads, whose two sides happen to multiply to about as many as there are tokens.
            layer("heads", [2, 5, 3]),
            layer("attention", [2, 17, 17]),
            layer("norm2", [8, 17, 1]),
            layer("logits", [10, 1, 1]),
        ];
        place(&mut layers, &families);
        let grids: Vec<bool> = layers.iter().map(|layer| layer.grid == Some([4, 4])).collect();
        assert_eq!(grids, [false, false, true, false, false, true, false]);
        let all = layers.iter().zip(families).map(|(info, family)| Named { info, family });
        let all: Vec<Named<'_>> = all.collect();
        assert_eq!(cam(&all), Some("norm1".into()));
        assert_eq!(attention(&all), ["attention".into()]);
        layers[1].shape = [8, 3, 3];
        layers.iter_mut().for_each(|layer| layer.grid = None);
        place(&mut layers, &families);
        assert!(layers.iter().all(|layer| layer.grid == Some([3, 3]) || layer.grid.is_none()));
    }
}
