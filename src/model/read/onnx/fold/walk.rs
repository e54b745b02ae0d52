//! Going through arrays in row-major order.

/// Row-major strides of a shape that is broadcast to `rank` axes; 0 where it is repeated.
pub(super) fn strides(shape: &[usize], rank: usize) -> Vec<isize> {
    let mut strides = vec![0; rank];
    let mut step = 1;
    for (i, extent) in shape.iter().enumerate().rev() {
        if *extent != 1 {
            strides[rank - shape.len() + i] = step;
        }
        step *= *extent as isize;
    }
    strides
}

/// Goes through a shape in row-major order with offsets into several arrays.
pub(super) fn walk<const N: usize>(
    shape: &[usize],
    start: [isize; N],
    strides: [&[isize]; N],
    mut each: impl FnMut([usize; N]),
) {
    let len: usize = shape.iter().product();
    let mut at = start;
    let mut place = vec![0; shape.len()];
    for _ in 0..len {
        each(at.map(|offset| offset as usize));
        for axis in (0..shape.len()).rev() {
            place[axis] += 1;
            (0..N).for_each(|n| at[n] += strides[n][axis]);
            if place[axis] < shape[axis] {
                break;
            }
            (0..N).for_each(|n| at[n] -= strides[n][axis] * shape[axis] as isize);
            place[axis] = 0;
        }
    }
}
