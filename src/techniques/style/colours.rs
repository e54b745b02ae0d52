//! Keeping the photo's colours (Gatys, Bethge, Hertzmann & Shechtman 2016, arXiv:1606.05897).

use crate::imaging::Picture;

/// Weights of red, green and blue in the luminance (ITU-R BT.601).
const LUMINANCE: [f64; 3] = [0.299, 0.587, 0.114];
/// Added to variances: the colours of a grey picture have none.
const RIDGE: f64 = 1e-5;

/// Mean and covariance of a picture's colours, of values in `[0, 1]`.
struct Palette {
    mean: [f64; 3],
    covariance: [[f64; 3]; 3],
}

fn colours(picture: &Picture) -> impl Iterator<Item = [f64; 3]> + '_ {
    picture.rgb.chunks_exact(3).map(|p| [0, 1, 2].map(|c| f64::from(p[c]) / 255.0))
}

impl Palette {
    fn of(picture: &Picture) -> Self {
        let count = (picture.rgb.len() / 3).max(1) as f64;
        let mut mean = [0.0; 3];
        for colour in colours(picture) {
            for c in 0..3 {
                mean[c] += colour[c] / count;
            }
        }
        let mut covariance = [[0.0; 3]; 3];
        for colour in colours(picture) {
            for (r, row) in covariance.iter_mut().enumerate() {
                for (c, v) in row.iter_mut().enumerate() {
                    *v += (colour[r] - mean[r]) * (colour[c] - mean[c]) / count;
                }
            }
        }
        for (c, row) in covariance.iter_mut().enumerate() {
            row[c] += RIDGE;
        }
        Self { mean, covariance }
    }
}

/// The painting with its colours moved and stretched so that their mean and covariance are the photo's.
pub(super) fn matched(painting: &Picture, photo: &Picture) -> Picture {
    let (from, to) = (Palette::of(painting), Palette::of(photo));
    // L_photo · L_painting⁻¹ of the Cholesky factors takes one covariance to the other.
    let (lower, target) = (cholesky(&from.covariance), cholesky(&to.covariance));
    repainted(painting, |colour| {
        let mut white = [0.0; 3];
        for r in 0..3 {
            let known: f64 = (0..r).map(|c| lower[r][c] * white[c]).sum();
            white[r] = (colour[r] - from.mean[r] - known) / lower[r][r];
        }
        [0, 1, 2].map(|r| to.mean[r] + (0..=r).map(|c| target[r][c] * white[c]).sum::<f64>())
    })
}

fn cholesky(m: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let mut l = [[0.0; 3]; 3];
    for r in 0..3 {
        for c in 0..=r {
            let known: f64 = (0..c).map(|k| l[r][k] * l[c][k]).sum();
            l[r][c] = if r == c { (m[r][r] - known).max(1e-12).sqrt() } else { (m[r][c] - known) / l[c][c] };
        }
    }
    l
}

/// The painting in greys whose mean and spread are those of the photo's luminance.
pub(super) fn grey_matched(painting: &Picture, photo: &Picture) -> Picture {
    let spread = |picture: &Picture| {
        let count = (picture.rgb.len() / 3).max(1) as f64;
        let mean = colours(picture).map(luminance).sum::<f64>() / count;
        let variance = colours(picture).map(|c| (luminance(c) - mean).powi(2)).sum::<f64>() / count;
        (mean, (variance + RIDGE).sqrt())
    };
    let ((from, from_spread), (to, to_spread)) = (spread(painting), spread(photo));
    repainted(painting, |colour| [to + (luminance(colour) - from) * to_spread / from_spread; 3])
}

/// The picture with its own luminance and the photo's colours; both have the same size.
pub(super) fn coloured_as(picture: &Picture, photo: &Picture) -> Picture {
    let bytes = picture.rgb.chunks_exact(3).zip(photo.rgb.chunks_exact(3)).flat_map(|(made, kept)| {
        let as_colour = |p: &[u8]| [0, 1, 2].map(|c| f64::from(p[c]) / 255.0);
        let shift = luminance(as_colour(made)) - luminance(as_colour(kept));
        as_colour(kept).map(|v| byte(v + shift))
    });
    Picture::new(picture.width, picture.height, bytes.collect())
}

fn luminance(colour: [f64; 3]) -> f64 {
    (0..3).map(|c| LUMINANCE[c] * colour[c]).sum()
}

fn repainted(picture: &Picture, change: impl Fn([f64; 3]) -> [f64; 3]) -> Picture {
    let bytes = colours(picture).flat_map(|colour| change(colour).map(byte)).collect();
    Picture::new(picture.width, picture.height, bytes)
}

fn byte(v: f64) -> u8 {
    (v * 255.0).round().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(seed: u32, scale: [u32; 3]) -> Picture {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 24
        };
        let bytes = (0..400).flat_map(|_| {
            let shared = next() / 3;
            [0, 1, 2].map(|c| (60 + (shared + next() / 3) * scale[c] / 4) as u8)
        });
        Picture::new(20, 20, bytes.collect())
    }

    #[test]
    fn matched_colours_have_the_other_palette() {
        let (painting, photo) = (picture(1, [4, 1, 2]), picture(2, [1, 3, 1]));
        let (made, wanted) = (Palette::of(&matched(&painting, &photo)), Palette::of(&photo));
        for r in 0..3 {
            assert!((made.mean[r] - wanted.mean[r]).abs() < 0.01);
            for c in 0..3 {
                assert!((made.covariance[r][c] - wanted.covariance[r][c]).abs() < 0.002);
            }
        }
    }

    #[test]
    fn luminance_and_colours_come_from_where_they_should() {
        let (painted, photo) = (picture(3, [2, 2, 2]), picture(4, [1, 1, 1]));
        let made = coloured_as(&painted, &photo);
        let last = |p: &Picture| colours(p).map(luminance).last().expect("pixels");
        assert!((last(&made) - last(&painted)).abs() < 0.01);
        let grey = grey_matched(&painted, &photo);
        assert!(grey.rgb.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]));
    }
}
