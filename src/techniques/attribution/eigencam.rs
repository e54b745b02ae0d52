//! Eigen-CAM: what a layer responds to most, whatever the class.

use super::cam::Planes;
use super::method::{Explain, Method};
use crate::error::Result;
use candle_core::{DType, Device, Tensor};

/// The projection of each place of A on the first principal component of A over its places, centred; its sign is the one that makes the largest magnitude positive. pytorch-grad-cam leaves the sign to its solver and clips at zero; here the map keeps both signs.
pub(super) static METHOD: Method = Method {
    id: "eigencam",
    about: "what a layer responds to most, whatever the class: the first principal component of its activations",
    definition: "A centred over its places, projected on its first principal component; the largest magnitude is positive",
    reference: "Muhammad & Yeasin 2020, arXiv:2008.00299",
    layer: true,
    params: &[],
    explain: Explain::Cam(formula),
};

/// Squarings of the scatter matrix at most: 2^24 power iterations tell eigenvalues apart that differ by a millionth.
const SQUARINGS: usize = 24;
/// Once the second eigenvalue's share is this small, nothing is left to tell apart.
const ALONE: f64 = 1e-14;

fn formula(planes: &Planes) -> Result<Vec<f32>> {
    let (channels, h, w) = (planes.channels, planes.height, planes.width);
    let places =
        Tensor::from_slice(&planes.activations, (channels, h * w), &Device::Cpu)?.t()?.to_dtype(DType::F64)?;
    let centred = places.broadcast_sub(&places.mean_keepdim(0)?)?.contiguous()?;
    // The scatter matrix of the shorter side has the same spectrum.
    let by_places = h * w <= channels;
    let other = centred.t()?.contiguous()?;
    let scatter = if by_places { centred.matmul(&other)? } else { other.matmul(&centred)? };
    let first = leading(&scatter)?;
    let projection = if by_places {
        // A unit vector u of the left side stands for the projections σ·u.
        let length = other.matmul(&first)?.sqr()?.sum_all()?.to_scalar::<f64>()?.sqrt();
        (first * length)?
    } else {
        centred.matmul(&first)?
    };
    let (low, high) = (projection.min_all()?.to_scalar::<f64>()?, projection.max_all()?.to_scalar::<f64>()?);
    let projection = if -low > high { projection.neg()? } else { projection };
    Ok(projection.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?)
}

/// The unit eigenvector `[N, 1]` of the largest eigenvalue of a symmetric, positive matrix `[N, N]`.
fn leading(matrix: &Tensor) -> Result<Tensor> {
    let mut power = matrix.clone();
    for _ in 0..SQUARINGS {
        // The trace of a power is the sum of the powers of the eigenvalues.
        let trace =
            (0..power.dim(0)?).map(|i| power.get(i)?.get(i)?.to_scalar::<f64>()).sum::<candle_core::Result<f64>>()?;
        if trace == 0.0 {
            break;
        }
        power = (power / trace)?;
        let before = power.sqr()?.sum_all()?.to_scalar::<f64>()?;
        power = power.matmul(&power)?;
        if 1.0 - before < ALONE {
            break;
        }
    }
    // Its columns are multiples of the eigenvector: the longest one is the most exact.
    let lengths = power.sqr()?.sum(0)?.to_vec1::<f64>()?;
    let longest = lengths.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i);
    // Once more through the matrix itself, whose rounding is smaller.
    unit(&matrix.matmul(&unit(&power.narrow(1, longest, 1)?)?)?)
}

fn unit(vector: &Tensor) -> Result<Tensor> {
    let length = vector.sqr()?.sum_all()?.to_scalar::<f64>()?.sqrt();
    Ok((vector / length.max(f64::MIN_POSITIVE))?)
}
