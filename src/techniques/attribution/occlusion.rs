//! Occlusion: what covering a part of the photo costs.

use super::baseline::{BASELINE, baseline, shown_of};
use super::method::{Attribution, Estimator, Explain, Method, TOLERANCE};
use super::path::spread;
use super::subject::{BATCH, Subject};
use crate::error::Result;
use crate::techniques::api::{ParamKind, ParamSpec, Params, State};
use candle_core::{Device, Tensor};

/// The drop z_c(x) − z_c(x with a window covered by the baseline), spread over each window's pixels and averaged where
/// windows overlap, as Captum's `Occlusion` over all channels at once. Windows that stick out are cut off.
pub(super) static METHOD: Method = Method {
    id: "occlusion",
    about: "what covering a part of the photo costs the class score, part by part",
    definition: "z_c(x) − z_c(x with a 32×32 window covered by b = 0), stride 16, averaged over the windows of each pixel",
    reference: "Zeiler & Fergus 2014, arXiv:1311.2901",
    layer: false,
    params: &[
        ParamSpec {
            name: "window",
            kind: ParamKind::Int { min: 1, max: 16_384, default: 32 },
            unit: "px",
            help: "side of the square that is covered",
            live: false,
        },
        ParamSpec {
            name: "stride",
            kind: ParamKind::Int { min: 1, max: 16_384, default: 16 },
            unit: "px",
            help: "step from one window to the next; at most the window's side",
            live: false,
        },
        BASELINE,
        TOLERANCE,
    ],
    explain: Explain::Live(start),
};

struct Occlusion {
    baseline: Tensor,
    size: (usize, usize),
    window: usize,
    /// Upper left corners, in an order that covers the whole photo early.
    corners: Vec<(usize, usize)>,
    drops: Vec<f64>,
    covered: Vec<f64>,
}

fn start(subject: &Subject, params: &Params) -> Result<Box<dyn Estimator>> {
    let (_, _, h, w) = subject.input().dims4()?;
    let window = params.count("window").min(h).min(w);
    // A wider step would leave pixels that no window covers.
    let stride = params.count("stride").min(window);
    let positions = |side: usize| (side - window).div_ceil(stride) + 1;
    let (rows, columns) = (positions(h), positions(w));
    let at = |i: usize| (i / columns * stride, i % columns * stride);
    let corners = spread(rows * columns).into_iter().map(at).collect();
    let baseline = baseline(subject, params)?;
    let (drops, covered) = (vec![0.0; h * w], vec![0.0; h * w]);
    Ok(Box::new(Occlusion { baseline, size: (h, w), window, corners, drops, covered }))
}

impl Occlusion {
    fn pixels(&self, (top, left): (usize, usize)) -> impl Iterator<Item = usize> + use<> {
        let (h, w) = self.size;
        let (bottom, right) = ((top + self.window).min(h), (left + self.window).min(w));
        (top..bottom).flat_map(move |y| (left..right).map(move |x| y * w + x))
    }
}

impl Estimator for Occlusion {
    fn total(&self) -> usize {
        self.corners.len().div_ceil(BATCH)
    }

    fn update(&mut self, subject: &Subject, number: usize) -> Result<()> {
        let corners: Vec<_> = self.corners.iter().skip(number * BATCH).take(BATCH).copied().collect();
        let (h, w) = self.size;
        let mut shown = vec![1f32; corners.len() * h * w];
        for (mask, &corner) in shown.chunks_exact_mut(h * w).zip(&corners) {
            self.pixels(corner).for_each(|p| mask[p] = 0.0);
        }
        let shown = Tensor::from_vec(shown, (corners.len(), 1, h, w), subject.input().device())?;
        for (corner, score) in
            corners.into_iter().zip(subject.scores_of(&shown_of(subject, &self.baseline, &shown)?)?)
        {
            let drop = f64::from(subject.score()) - f64::from(score);
            for p in self.pixels(corner) {
                self.drops[p] += drop;
                self.covered[p] += 1.0;
            }
        }
        Ok(())
    }

    fn estimate(&self, _: &Subject) -> Result<Attribution> {
        let values: Vec<f32> =
            self.drops.iter().zip(&self.covered).map(|(drop, n)| (drop / n.max(1.0)) as f32).collect();
        Attribution::map(&Tensor::from_vec(values, self.size, &Device::Cpu)?)
    }

    fn save(&self) -> State {
        State::default().with_numbers("drops", &self.drops).with_numbers("covered", &self.covered)
    }

    fn load(&mut self, state: &State) -> Result<()> {
        (self.drops, self.covered) = (state.numbers("drops")?, state.numbers("covered")?);
        let pixels = self.size.0 * self.size.1;
        if self.drops.len() != pixels || self.covered.len() != pixels { Err(State::foreign()) } else { Ok(()) }
    }
}
