//! Superpixels: a picture cut into patches of like colour.

use super::Picture;

/// How much nearness counts beside likeness of colour.
const COMPACTNESS: f32 = 10.0;
const ROUNDS: usize = 10;

#[derive(Clone, Copy, Default)]
struct Centre {
    color: [f32; 3],
    x: f32,
    y: f32,
}

/// The superpixel of each pixel, counted from 0 without gaps: SLIC (Achanta et al. 2012, doi:10.1109/TPAMI.2012.120) in
/// CIELAB with about `count` clusters; every superpixel is one connected patch, and small scraps join a neighbour.
#[must_use]
pub fn superpixels(picture: &Picture, count: usize) -> Vec<u32> {
    let (w, h) = (picture.width as usize, picture.height as usize);
    let colors: Vec<[f32; 3]> = picture.rgb.chunks_exact(3).map(lab).collect();
    let step = ((w * h) as f32 / count.max(1) as f32).sqrt().max(1.0);
    let cells = |side: usize| ((side as f32 / step).round() as usize).clamp(1, side);
    let (columns, rows) = (cells(w), cells(h));
    let middle = |i: usize, cells: usize, side: usize| (i as f32 + 0.5) * side as f32 / cells as f32;
    let mut centres: Vec<Centre> = (0..rows * columns)
        .map(|i| {
            let (x, y) = (middle(i % columns, columns, w), middle(i / columns, rows, h));
            Centre { color: colors[y as usize * w + x as usize], x, y }
        })
        .collect();
    let mut labels = vec![0u32; w * h];
    for _ in 0..ROUNDS {
        assign(&colors, (w, h), step, &centres, &mut labels);
        update(&colors, w, &labels, &mut centres);
    }
    connected(&labels, (w, h), (step * step / 4.0) as usize)
}

/// Gives each pixel to the nearest centre within two steps.
fn assign(colors: &[[f32; 3]], (w, h): (usize, usize), step: f32, centres: &[Centre], labels: &mut [u32]) {
    let mut nearest = vec![f32::INFINITY; w * h];
    for (k, centre) in centres.iter().enumerate() {
        let reach = |at: f32, side: usize| {
            let (low, high) = ((at - 2.0 * step).max(0.0), (at + 2.0 * step + 1.0).max(0.0));
            low as usize..(high as usize).min(side)
        };
        for y in reach(centre.y, h) {
            for x in reach(centre.x, w) {
                let p = y * w + x;
                let color: f32 = colors[p].iter().zip(centre.color).map(|(a, b)| (a - b).powi(2)).sum();
                let place = (x as f32 + 0.5 - centre.x).powi(2) + (y as f32 + 0.5 - centre.y).powi(2);
                let distance = color + place * (COMPACTNESS / step).powi(2);
                if distance < nearest[p] {
                    nearest[p] = distance;
                    labels[p] = k as u32;
                }
            }
        }
    }
}

/// Moves each centre to the mean of its pixels.
fn update(colors: &[[f32; 3]], w: usize, labels: &[u32], centres: &mut [Centre]) {
    let mut sums = vec![(Centre::default(), 0f32); centres.len()];
    for (p, (&label, color)) in labels.iter().zip(colors).enumerate() {
        let (sum, n) = &mut sums[label as usize];
        sum.color.iter_mut().zip(color).for_each(|(s, c)| *s += c);
        sum.x += (p % w) as f32 + 0.5;
        sum.y += (p / w) as f32 + 0.5;
        *n += 1.0;
    }
    for (centre, (sum, n)) in centres.iter_mut().zip(sums).filter(|(_, (_, n))| *n > 0.0) {
        *centre = Centre { color: sum.color.map(|c| c / n), x: sum.x / n, y: sum.y / n };
    }
}

/// Connected patches numbered from 0; one of fewer than `least` pixels joins a patch beside it.
fn connected(labels: &[u32], (w, h): (usize, usize), least: usize) -> Vec<u32> {
    let mut found = vec![u32::MAX; labels.len()];
    let mut next = 0;
    for start in 0..labels.len() {
        if found[start] != u32::MAX {
            continue;
        }
        let mut patch = vec![start];
        let mut beside = None;
        found[start] = next;
        let mut at = 0;
        while at < patch.len() {
            let p = patch[at];
            let (x, y) = (p % w, p / w);
            let around = [
                (x > 0).then(|| p - 1),
                (x + 1 < w).then(|| p + 1),
                (y > 0).then(|| p - w),
                (y + 1 < h).then(|| p + w),
            ];
            for q in around.into_iter().flatten() {
                if found[q] == u32::MAX && labels[q] == labels[start] {
                    found[q] = next;
                    patch.push(q);
                } else if found[q] != u32::MAX && found[q] != next {
                    beside = Some(found[q]);
                }
            }
            at += 1;
        }
        match beside.filter(|_| patch.len() < least) {
            Some(neighbour) => patch.iter().for_each(|&p| found[p] = neighbour),
            None => next += 1,
        }
    }
    found
}

/// CIELAB (D65) of an sRGB pixel.
fn lab(rgb: &[u8]) -> [f32; 3] {
    let linear = |v: u8| {
        let v = f32::from(v) / 255.0;
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    };
    let [r, g, b] = [linear(rgb[0]), linear(rgb[1]), linear(rgb[2])];
    let f = |t: f32| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
    let x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
    let y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
    let z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_colours_are_told_apart() {
        let rgb = (0..40 * 20).flat_map(|p| if p % 40 < 17 { [200, 30, 30] } else { [20, 60, 220] }).collect();
        let labels = superpixels(&Picture::new(40, 20, rgb), 8);
        let left: std::collections::HashSet<u32> = (0..800).filter(|p| p % 40 < 17).map(|p| labels[p]).collect();
        let right: std::collections::HashSet<u32> = (0..800).filter(|p| p % 40 >= 17).map(|p| labels[p]).collect();
        assert!(left.is_disjoint(&right), "{left:?} {right:?}");
        assert!((4..=14).contains(&(left.len() + right.len())), "{left:?} {right:?}");
    }

    #[test]
    fn labels_have_no_gaps_whatever_the_size() {
        for (w, h, count) in [(1, 1, 5), (3, 1, 2), (7, 5, 100), (64, 48, 30)] {
            let picture = Picture::new(w, h, (0..w * h * 3).map(|i| (i * 37 % 251) as u8).collect());
            let labels = superpixels(&picture, count);
            let most = *labels.iter().max().expect("a pixel");
            assert!((0..=most).all(|label| labels.contains(&label)), "{w}×{h} into {count}");
        }
    }
}
