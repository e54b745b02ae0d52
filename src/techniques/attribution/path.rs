//! The straight way from a baseline to the input, and where to stop on it.

use crate::error::Result;
use candle_core::Tensor;

/// Nodes in `[0, 1]` and weights (summing to 1) of the Gauss–Legendre rule with `n` points, ascending.
pub(super) fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    let count = n as f64;
    let rule = |i: usize| {
        // Newton's method from the asymptotic position of the i-th root of the Legendre polynomial P_n.
        let mut x = (std::f64::consts::PI * (i as f64 + 0.75) / (count + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..100 {
            let (mut before, mut now) = (1.0, x);
            for k in 2..=n {
                let k = k as f64;
                (before, now) = (now, ((2.0 * k - 1.0) * x * now - (k - 1.0) * before) / k);
            }
            slope = count * (x * now - before) / (x * x - 1.0);
            let step = now / slope;
            x -= step;
            if step.abs() < 1e-15 {
                break;
            }
        }
        (0.5 * (1.0 - x), 1.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..n).map(rule).collect()
}

/// The indices `0..n` in an order that covers the whole range early (van der Corput).
pub(super) fn spread(n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|i| i.reverse_bits());
    order
}

/// b + α(x − b) for each α, `[N, C, H, W]`.
pub(super) fn on_the_way(x: &Tensor, baseline: &Tensor, alphas: &[f64]) -> Result<Tensor> {
    let way = (x - baseline)?;
    let points = alphas.iter().map(|alpha| Ok((baseline + (&way * *alpha)?)?)).collect::<Result<Vec<_>>>()?;
    Ok(Tensor::cat(&points, 0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_exact_for_polynomials() {
        for n in [1, 2, 5, 50, 51, 200] {
            let rule = gauss_legendre(n);
            assert!(rule.windows(2).all(|w| w[0].0 < w[1].0), "ascending");
            for power in [0, 1, (2 * n - 1).min(40)] {
                let integral: f64 = rule.iter().map(|(x, w)| w * x.powi(power as i32)).sum();
                assert!(
                    (integral - 1.0 / (power as f64 + 1.0)).abs() < 1e-13,
                    "x^{power} with {n} points: {integral}"
                );
            }
        }
    }

    #[test]
    fn every_point_is_visited_once() {
        let mut order = spread(50);
        assert!(order[..4].iter().any(|&i| i >= 25), "both halves come early: {order:?}");
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
    }
}
