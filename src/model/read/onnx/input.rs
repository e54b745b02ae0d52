//! What goes in and what comes out: the picture's shape, and the output that is explained.

use super::Refusal;
use super::constant::Element;
use super::proto::{AttributeValue, Dim, Graph, ValueInfo};
use crate::model::Assumption;
use std::collections::HashSet;

/// The side of the picture where neither file nor person says one.
const USUAL_SIZE: usize = 224;
/// The longest side of a picture.
const LONGEST_SIDE: usize = 1 << 14;

/// What the person may say about a file.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// Height and width, where the file leaves them open.
    pub size: Option<[usize; 2]>,
    /// Channels, where the file leaves them open.
    pub channels: Option<usize>,
    /// The output, or any value of the graph, that is explained.
    pub output: Option<String>,
}

/// The picture that a model takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInput {
    /// The input's name in the file.
    pub name: String,
    /// 1, 3 or 4 in practice.
    pub channels: usize,
    /// Height and width; of an input without places 1 and how many numbers it takes.
    pub size: [usize; 2],
    /// Whether the file fixes height and width.
    pub fixed: [bool; 2],
    /// Whether the file wants channels last. The graph here takes `[1, C, H, W]` all the same.
    pub channels_last: bool,
    /// Whether the file wants bytes; here they are numbers from 0 to 255.
    pub bytes: bool,
    /// Extents as the file's nodes see them.
    pub file_shape: Vec<usize>,
    /// Whether it has no places: a row of numbers.
    pub flat: bool,
}

impl FileInput {
    /// Extents of one picture in the layout that the file wants, where it has places: what is read is brought from these
    /// into `file_shape`.
    #[must_use]
    pub fn picture_shape(&self) -> Vec<usize> {
        let [h, w] = self.size;
        match (self.flat, self.channels_last) {
            (true, _) => self.file_shape.clone(),
            (false, true) => vec![1, h, w, self.channels],
            (false, false) => vec![1, self.channels, h, w],
        }
    }
}

/// The name of the value that is explained.
///
/// # Errors
/// A [`Refusal`] if there is none of that name; it lists the outputs.
pub fn choose_output(graph: &Graph, options: &ImportOptions) -> Result<String, Refusal> {
    let names: Vec<&str> = graph.outputs.iter().map(|info| info.name.as_str()).collect();
    let Some(wanted) = &options.output else {
        let first = names.first().ok_or_else(|| Refusal::new("its graph has no output"))?;
        return Ok((*first).to_owned());
    };
    if names.contains(&wanted.as_str()) || graph.nodes.iter().any(|node| node.outputs.contains(wanted)) {
        return Ok(wanted.clone());
    }
    let of_node = graph.nodes.iter().find(|node| node.name == *wanted && !wanted.is_empty());
    if let Some(name) = of_node.and_then(|node| node.outputs.first()) {
        return Ok(name.clone());
    }
    let list = names.iter().take(8).map(|name| format!("\"{}\"", name.escape_debug())).collect::<Vec<_>>().join(", ");
    Err(Refusal(format!("it computes nothing called \"{}\"; its outputs are {list}", wanted.escape_debug())))
}

/// Finds the picture among the graph's inputs and fixes its shape. What has to be assumed is added to `assumptions`.
///
/// # Errors
/// A [`Refusal`] if no input looks like a picture, or its shape is not what the options ask for.
pub fn choose(
    graph: &Graph,
    target: &str,
    options: &ImportOptions,
    assumptions: &mut Vec<Assumption>,
) -> Result<FileInput, Refusal> {
    let weights: HashSet<&str> = graph.initializers.iter().map(|tensor| tensor.name.as_str()).collect();
    let free: Vec<&ValueInfo> = graph.inputs.iter().filter(|info| !weights.contains(info.name.as_str())).collect();
    let rank = |info: &ValueInfo| info.shape.as_ref().map_or(4, Vec::len);
    let read: HashSet<&str> = graph.nodes.iter().flat_map(|node| &node.inputs).map(String::as_str).collect();
    let picture = match free.as_slice() {
        [] => return Err(Refusal::new("it has no input")),
        [one] => *one,
        several => several
            .iter()
            .find(|info| rank(info) == 4 && read.contains(info.name.as_str()))
            .copied()
            .ok_or_else(|| Refusal::new("none of its inputs is a picture of shape [N, C, H, W]"))?,
    };
    if picture.name == target {
        return Err(Refusal::new("that output is the picture itself"));
    }
    let bytes = match Element::of(picture.element) {
        _ if picture.element == 0 => false,
        Some(Element::Float) => false,
        Some(Element::Int) => true,
        _ => return Err(Refusal(format!("its input \"{}\" is not made of numbers", picture.name.escape_debug()))),
    };
    let dims = match &picture.shape {
        Some(dims) => dims.clone(),
        None => vec![Dim::Free(String::new()); 4],
    };
    match dims.len() {
        4 => maps(graph, picture, &dims, bytes, options, assumptions),
        3 if is_one_picture(&dims) => {
            let one = [&[Dim::Fixed(1)], &dims[..]].concat();
            let mut input = maps(graph, picture, &one, bytes, options, assumptions)?;
            input.file_shape.remove(0);
            Ok(input)
        }
        2 | 3 => flat(picture, &dims, bytes),
        rank => Err(Refusal(format!(
            "its input \"{}\" has {rank} axes, and a picture has four: [N, C, H, W]",
            picture.name.escape_debug()
        ))),
    }
}

/// An extent that the file fixes.
fn fixed(dim: &Dim) -> Option<usize> {
    // Some exporters write −1 or 0 for what is free.
    if let Dim::Fixed(n) = dim { usize::try_from(*n).ok().filter(|n| *n > 0) } else { None }
}

/// Whether three axes are those of a picture that is not one of several: channels are before or behind its places.
fn is_one_picture(dims: &[Dim]) -> bool {
    let channels = |dim: &Dim, least| fixed(dim).is_some_and(|n| n >= least && matches!(n, 1 | 3 | 4));
    let places = |dims: &[Dim]| dims.iter().all(|dim| fixed(dim).is_none_or(|n| n > 4));
    // One in front is rather the number of pictures.
    channels(&dims[0], 3) && places(&dims[1..]) || channels(&dims[2], 1) && places(&dims[..2])
}

fn maps(
    graph: &Graph,
    picture: &ValueInfo,
    dims: &[Dim],
    bytes: bool,
    options: &ImportOptions,
    assumptions: &mut Vec<Assumption>,
) -> Result<FileInput, Refusal> {
    let is_channels = |dim: &Dim| matches!(fixed(dim), Some(1 | 3 | 4));
    let channels_last =
        is_turned(graph, &picture.name).unwrap_or_else(|| is_channels(&dims[3]) && !is_channels(&dims[1]));
    let (c, h, w) = if channels_last { (3, 1, 2) } else { (1, 2, 3) };
    let found = fixed(&dims[c]).or_else(|| first_kernel(graph, &picture.name));
    let channels = match (found, options.channels) {
        (Some(channels), Some(asked)) if channels != asked => {
            return Err(Refusal(format!("its input has {channels} channels, not {asked} as --channels says")));
        }
        (Some(channels), _) | (None, Some(channels)) => channels,
        (None, None) => {
            let what = "3 channels, since the file leaves them open".to_owned();
            assumptions.push(Assumption { what, option: "--channels".to_owned() });
            3
        }
    };
    let sizes = [fixed(&dims[h]), fixed(&dims[w])];
    let size = [0, 1].map(|side| sizes[side].or_else(|| Some(options.size?[side])));
    if let Some(asked) = options.size
        && let [Some(h), Some(w)] = size
        && asked != [h, w]
    {
        return Err(Refusal(format!(
            "its input is fixed at {h}×{w}, not {}×{}; export it with free height and width, or leave --input-size out",
            asked[0], asked[1]
        )));
    }
    if size.iter().any(Option::is_none) {
        let what = format!("{USUAL_SIZE}×{USUAL_SIZE} pixels, since the file leaves them open");
        assumptions.push(Assumption { what, option: "--input-size".to_owned() });
    }
    let size = size.map(|side| side.unwrap_or(USUAL_SIZE));
    if channels > 1024 || size.iter().any(|side| *side > LONGEST_SIDE) {
        return Err(Refusal(format!("its input of {channels} channels and {}×{} is no picture", size[0], size[1])));
    }
    let file_shape =
        if channels_last { vec![1, size[0], size[1], channels] } else { vec![1, channels, size[0], size[1]] };
    let fixed = sizes.map(|side| side.is_some());
    Ok(FileInput { name: picture.name.clone(), channels, size, fixed, channels_last, bytes, file_shape, flat: false })
}

/// An input without places: taken as one row of numbers.
fn flat(picture: &ValueInfo, dims: &[Dim], bytes: bool) -> Result<FileInput, Refusal> {
    let extents: Option<Vec<usize>> = dims[1..].iter().map(fixed).collect();
    let Some(extents) = extents.filter(|extents| extents.iter().product::<usize>() <= 1 << 24) else {
        return Err(Refusal(format!(
            "its input \"{}\" has no height and width; it has to be [N, C, H, W]",
            picture.name.escape_debug()
        )));
    };
    let size = [1, extents.iter().product()];
    let file_shape = std::iter::once(1).chain(extents).collect();
    Ok(FileInput {
        name: picture.name.clone(),
        channels: 1,
        size,
        fixed: [true, true],
        channels_last: false,
        bytes,
        file_shape,
        flat: true,
    })
}

/// Whether the first that is done to the picture is to put its channels first, if it is a convolution or that.
fn is_turned(graph: &Graph, name: &str) -> Option<bool> {
    let mut readers = graph.nodes.iter().filter(|n| n.inputs.first().is_some_and(|input| input == name));
    let first = readers.next().filter(|_| readers.next().is_none())?;
    match first.op.as_str() {
        "Conv" => Some(false),
        "Transpose" => {
            let perm = first.attributes.iter().find(|a| a.name == "perm")?;
            matches!(&perm.value, AttributeValue::Ints(list) if list[..] == [0, 3, 1, 2]).then_some(true)
        }
        _ => None,
    }
}

/// How many channels the convolution wants that reads the picture.
fn first_kernel(graph: &Graph, name: &str) -> Option<usize> {
    let node = graph.nodes.iter().find(|n| n.op == "Conv" && n.inputs.first().is_some_and(|input| input == name))?;
    let kernel = graph.initializers.iter().find(|tensor| Some(&tensor.name) == node.inputs.get(1))?;
    let grouped = node.attributes.iter().any(|a| a.name == "group");
    kernel.stored.dims.get(1).filter(|_| !grouped).and_then(|n| usize::try_from(*n).ok())
}
