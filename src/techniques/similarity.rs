//! How alike two maps are.

use crate::imaging::HeatMap;

/// Spearman's rank correlation of two maps, in `[-1, 1]`, at the size of the larger one; none where one of them is constant.
/// Ties share their mean rank.
#[must_use]
pub fn rank_correlation(a: &HeatMap, b: &HeatMap) -> Option<f64> {
    let larger = if a.values.len() >= b.values.len() { a } else { b };
    let (width, height) = (larger.width, larger.height);
    correlation(&ranks(&a.resized(width, height).values), &ranks(&b.resized(width, height).values))
}

/// The rank correlation of every pair, at the size of the largest map; none where one of the two is constant.
pub(super) fn rank_correlations(maps: &[HeatMap]) -> Vec<Vec<Option<f32>>> {
    let largest = maps.iter().max_by_key(|m| m.values.len());
    let (width, height) = largest.map_or((1, 1), |m| (m.width, m.height));
    let ranked: Vec<Vec<f64>> = maps.iter().map(|m| ranks(&m.resized(width, height).values)).collect();
    ranked.iter().map(|a| ranked.iter().map(|b| correlation(a, b).map(|value| value as f32)).collect()).collect()
}

fn ranks(values: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    while first < order.len() {
        let same = order[first..].iter().take_while(|&&i| values[i].total_cmp(&values[order[first]]).is_eq()).count();
        for &i in &order[first..first + same] {
            ranks[i] = first as f64 + (same - 1) as f64 / 2.0;
        }
        first += same;
    }
    ranks
}

fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let n = a.len() as f64;
    let mean = |v: &[f64]| v.iter().sum::<f64>() / n;
    let (ma, mb) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        ab += (a - ma) * (b - mb);
        aa += (a - ma).powi(2);
        bb += (b - mb).powi(2);
    }
    (aa > 0.0 && bb > 0.0).then(|| ab / (aa * bb).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_order_counts() {
        let map = |values: &[f32]| HeatMap::new(values.len() as u32, 1, values.to_vec());
        let a = map(&[1.0, 2.0, 3.0, 4.0]);
        let of = |values: &[f32]| rank_correlation(&a, &map(values)).expect("an order");
        assert!((of(&[0.1, 5.0, 5.5, 900.0]) - 1.0).abs() < 1e-12);
        assert!((of(&[4.0, 3.0, 2.0, 1.0]) + 1.0).abs() < 1e-12);
        assert_eq!(rank_correlation(&a, &map(&[7.0; 4])), None);
        // scipy.stats.spearmanr([1, 2, 3, 4], [1, 3, 3, 2])
        assert!((of(&[1.0, 3.0, 3.0, 2.0]) - 0.316_227_766).abs() < 1e-8);
    }
}
