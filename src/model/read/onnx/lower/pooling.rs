//! Windows over maps: where they go, and pooling.

use super::call::{Call, Lowers};
use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::ir::ValueId;
use crate::model::read::onnx::op::{Op, Window};

/// The largest stride, padding or dilation that is taken for meant.
const LARGEST: i64 = 1 << 16;

/// Where a window goes on a map.
pub struct Places {
    /// The window's height and width.
    pub kernel: [usize; 2],
    /// Step down and to the right.
    pub strides: [usize; 2],
    /// Padding above, left, below, right.
    pub pads: [usize; 4],
    /// Distance of the window's elements.
    pub dilations: [usize; 2],
    /// The map's height and width.
    size: [usize; 2],
}

impl Places {
    /// Reads strides, padding and dilations as they are listed; the window is `kernel` large.
    pub fn listed(call: &Call, rank: usize, kernel: [usize; 2], size: [usize; 2]) -> Result<Self, Refusal> {
        let strides = pair(call.ints("strides"), rank, 1)?;
        let dilations = pair(call.ints("dilations"), rank, 1)?;
        if strides.contains(&0) || dilations.contains(&0) || kernel.contains(&0) {
            return Err(Refusal::new("its window does not move or is empty"));
        }
        let given = call.ints("pads").unwrap_or_default();
        let mut pads = [0; 4];
        if !given.is_empty() {
            let (before, after) = given.split_at(given.len() / 2);
            for (i, side) in [before, after].into_iter().enumerate() {
                let [y, x] = pair(Some(side.to_vec()), rank, 0)?;
                (pads[2 * i], pads[2 * i + 1]) = (y, x);
            }
        }
        Ok(Self { kernel, strides, pads, dilations, size })
    }

    /// The same with automatic padding worked out.
    pub fn read(call: &Call, rank: usize, kernel: [usize; 2], size: [usize; 2]) -> Result<Self, Refusal> {
        let mut places = Self::listed(call, rank, kernel, size)?;
        let auto = call.text("auto_pad", "NOTSET");
        match auto {
            "" | "NOTSET" => return Ok(places),
            "VALID" => places.pads = [0; 4],
            "SAME_UPPER" | "SAME_LOWER" => {
                for i in 0..2 {
                    let steps = size[i].div_ceil(places.strides[i]);
                    let total = ((steps - 1) * places.strides[i] + places.reach(i)).saturating_sub(size[i]);
                    let less = total / 2;
                    let before = if auto == "SAME_UPPER" { less } else { total - less };
                    (places.pads[i], places.pads[i + 2]) = (before, total - before);
                }
            }
            other => return Err(Refusal(format!("its auto_pad \"{}\" is not understood", other.escape_debug()))),
        }
        Ok(places)
    }

    /// How far the window reaches along a side.
    pub fn reach(&self, i: usize) -> usize {
        self.dilations[i] * (self.kernel[i] - 1) + 1
    }

    /// How many windows fit along a side; 0 if none.
    pub fn out(&self, i: usize) -> usize {
        let padded = self.size[i] + self.pads[i] + self.pads[i + 2];
        padded.checked_sub(self.reach(i)).map_or(0, |rest| rest / self.strides[i] + 1)
    }

    /// The same where a last window may hang over, as long as it starts inside.
    fn out_up(&self, i: usize) -> usize {
        let padded = self.size[i] + self.pads[i] + self.pads[i + 2];
        let out = padded.checked_sub(self.reach(i)).map_or(0, |rest| rest.div_ceil(self.strides[i]) + 1);
        if out > 1 && (out - 1) * self.strides[i] >= self.size[i] + self.pads[i] { out - 1 } else { out }
    }
}

/// Two numbers of a list; the list of a one-dimensional operator has one, for the width.
pub fn pair(list: Option<Vec<i64>>, rank: usize, default: usize) -> Result<[usize; 2], Refusal> {
    match list.filter(|list| !list.is_empty()) {
        None => Ok([default; 2]),
        Some(list) => Ok([nth(&list, rank, 0, default)?, nth(&list, rank, 1, default)?]),
    }
}

/// A list's number for the height (0) or width (1).
pub fn nth(list: &[i64], rank: usize, i: usize, default: usize) -> Result<usize, Refusal> {
    let dims = rank - 2;
    // A list over all axes of the value, as some output shapes are.
    let list = if list.len() == rank { &list[2..] } else { list };
    if list.len() != dims {
        return Err(Refusal(format!("a list of {} numbers does not fit a map of {rank} axes", list.len())));
    }
    let value = if dims == 2 { Some(list[i]) } else { (i == 1).then(|| list[0]) };
    match value {
        None => Ok(default),
        Some(value) if (0..=LARGEST).contains(&value) => Ok(value as usize),
        Some(value) => Err(Refusal(format!("it has a stride, padding or window of {value}"))),
    }
}

/// A map with four axes, of one that has three or four, and how many it had.
pub fn as_map(call: &mut Call, x: ValueId) -> Result<(ValueId, usize), Refusal> {
    let shape = call.shape(x);
    let rank = shape.len();
    match rank {
        4 if shape[0] == 1 => Ok((x, rank)),
        3 if shape[0] == 1 => Ok((call.reshape(x, vec![1, shape[1], 1, shape[2]])?, rank)),
        3 | 4 => Err(Refusal(format!("it works on {} pictures at once; export it with a free batch", shape[0]))),
        _ => Err(Refusal(format!("it works on a value of {rank} axes, and maps have four"))),
    }
}

/// A result with as many axes as the operator's input had.
pub fn back(call: &mut Call, x: ValueId, rank: usize) -> Result<ValueId, Refusal> {
    let shape = call.shape(x);
    if rank == 4 { Ok(x) } else { call.reshape(x, vec![shape[0], shape[1], shape[3]]) }
}

/// The largest of a window.
pub fn max(call: &mut Call) -> Lowers {
    pool(call, |window, _| Op::MaxPool(window))
}

/// The mean of a window.
pub fn average(call: &mut Call) -> Lowers {
    pool(call, |window, count_padding| Op::AveragePool { window, count_padding })
}

fn pool(call: &mut Call, op: impl FnOnce(Window, bool) -> Op) -> Lowers {
    let original = call.input(0)?;
    let given = call.ints("kernel_shape").ok_or_else(|| Refusal::new("it has no window"))?;
    if call.shape(original).len() == 5 {
        return along_first(call, original, &given, op);
    }
    let (x, rank) = as_map(call, original)?;
    let shape = call.shape(x);
    let kernel = pair(Some(given), rank, 1)?;
    let places = Places::read(call, rank, kernel, [shape[2], shape[3]])?;
    let (window, [h, w]) = window(call, &places)?;
    let out = call.emit(op(window, call.int("count_include_pad", 0) != 0), vec![x], vec![1, shape[1], h, w])?;
    back(call, out, rank).map(|id| vec![id])
}

/// Pooling over a volume along its first axis only, as PyTorch writes the sums of a local response normalisation.
fn along_first(call: &mut Call, x: ValueId, kernel: &[i64], op: impl FnOnce(Window, bool) -> Op) -> Lowers {
    let shape = call.shape(x);
    let only_first = |name: &str, none: i64| {
        let list = call.ints(name).unwrap_or_default();
        list.iter().enumerate().all(|(i, v)| i % 3 == 0 || *v == none)
    };
    let alone = only_first("kernel_shape", 1) && only_first("strides", 1) && only_first("pads", 0);
    if shape[0] != 1 || kernel.len() != 3 || !alone || !matches!(call.text("auto_pad", ""), "" | "NOTSET" | "VALID") {
        return Err(Refusal::new("it pools over a volume, and maps have two axes of places"));
    }
    let first = |name: &str, at: usize, none: i64| call.ints(name).and_then(|l| l.get(at).copied()).unwrap_or(none);
    let along = |value: i64| {
        let value = usize::try_from(value).ok().filter(|v| *v as i64 <= LARGEST);
        value.ok_or_else(|| Refusal::new("it has a negative or very large stride, padding or window"))
    };
    let (kernel, stride, dilation) =
        (along(kernel[0])?, along(first("strides", 0, 1))?, along(first("dilations", 0, 1))?);
    if kernel == 0 || stride == 0 || dilation == 0 {
        return Err(Refusal::new("its window does not move or is empty"));
    }
    let (before, after) = (along(first("pads", 0, 0))?, along(first("pads", 3, 0))?);
    let places = Places {
        kernel: [kernel, 1],
        strides: [stride, 1],
        pads: [before, 0, after, 0],
        dilations: [dilation, 1],
        size: [shape[2], shape[3] * shape[4]],
    };
    let size = places.size;
    let flat = call.reshape(x, vec![1, shape[1], size[0], size[1]])?;
    let (window, [h, w]) = window(call, &places)?;
    let out = call.emit(op(window, call.int("count_include_pad", 0) != 0), vec![flat], vec![1, shape[1], h, w])?;
    call.reshape(out, vec![1, shape[1], h, shape[3], shape[4]]).map(|id| vec![id])
}

/// The window, and the size of what it makes.
fn window(call: &Call, places: &Places) -> Result<(Window, [usize; 2]), Refusal> {
    let up = call.int("ceil_mode", 0) != 0;
    let [h, w] = [0, 1].map(|i| if up { places.out_up(i) } else { places.out(i) });
    for i in 0..2 {
        if places.pads[i].max(places.pads[i + 2]) >= places.reach(i) {
            return Err(Refusal::new("its window fits into its padding"));
        }
    }
    let &Places { kernel, strides, pads, dilations, .. } = places;
    Ok((Window { kernel, strides, pads, dilations }, [h, w]))
}

/// The mean of a whole map.
pub fn global_average(call: &mut Call) -> Lowers {
    global(call, Op::GlobalAveragePool)
}

/// The largest of a whole map.
pub fn global_max(call: &mut Call) -> Lowers {
    global(call, Op::GlobalMaxPool)
}

fn global(call: &mut Call, op: Op) -> Lowers {
    let original = call.input(0)?;
    let (x, rank) = as_map(call, original)?;
    let channels = call.shape(x)[1];
    let out = call.emit(op, vec![x], vec![1, channels, 1, 1])?;
    back(call, out, rank).map(|id| vec![id])
}
