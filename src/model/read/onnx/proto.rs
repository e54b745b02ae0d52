//! The messages of an ONNX file that matter here, as they are in the file.
//!
//! Field numbers are those of onnx.proto (ONNX 1.23). Unknown fields are skipped. Tensors keep where their numbers are,
//! not the numbers.

use super::Refusal;
use super::source::ByteSource;
use super::stored::{self, Stored};
use super::wire::{Cursor, Span, Wire};

/// How deep graphs may lie in each other's attributes.
const DEEPEST: u32 = 16;

/// A whole file.
#[derive(Debug, Default)]
pub struct Model {
    /// Versions of the operator sets by domain; the standard one is "".
    pub opsets: Vec<(String, i64)>,
    /// Who wrote the file: program and version.
    pub producer: [String; 2],
    /// The graph.
    pub graph: Option<Graph>,
    /// Free key–value pairs.
    pub metadata: Vec<(String, String)>,
    /// Functions that the graph calls like operators.
    pub functions: Vec<Function>,
}

/// A graph.
#[derive(Debug, Default, Clone)]
pub struct Graph {
    /// Its nodes, in any order.
    pub nodes: Vec<Node>,
    /// Its weights.
    pub initializers: Vec<Tensor>,
    /// Names of weights in a sparse layout.
    pub sparse: usize,
    /// Its inputs; old files list weights, too.
    pub inputs: Vec<ValueInfo>,
    /// Its outputs.
    pub outputs: Vec<ValueInfo>,
}

/// A use of an operator.
#[derive(Debug, Default, Clone)]
pub struct Node {
    /// Names of what it reads; "" is an input left out.
    pub inputs: Vec<String>,
    /// Names of what it computes.
    pub outputs: Vec<String>,
    /// Its name; may be empty.
    pub name: String,
    /// The operator.
    pub op: String,
    /// The operator's domain.
    pub domain: String,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
    /// Free key–value pairs; PyTorch says here where in the module tree a node comes from.
    pub metadata: Vec<(String, String)>,
}

/// A node's attribute; which field counts says the reader of the operator.
#[derive(Debug, Default, Clone)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Inside a function: the function's attribute that it stands for.
    pub refers_to: String,
    /// Its value.
    pub value: AttributeValue,
}

/// An attribute's value.
#[derive(Debug, Default, Clone)]
pub enum AttributeValue {
    /// None was given, or of a kind that no operator here uses.
    #[default]
    None,
    /// An integer.
    Int(i64),
    /// A number.
    Float(f32),
    /// A text.
    Text(String),
    /// Integers.
    Ints(Vec<i64>),
    /// Numbers.
    Floats(Vec<f32>),
    /// Texts.
    Texts(Vec<String>),
    /// A tensor.
    Tensor(Box<Tensor>),
    /// A graph.
    Graph(Box<Graph>),
}

/// A named tensor.
#[derive(Debug, Default, Clone)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Where its numbers are.
    pub stored: Stored,
}

/// The declaration of an input or output.
#[derive(Debug, Default, Clone)]
pub struct ValueInfo {
    /// Its name.
    pub name: String,
    /// ONNX's number of its element type; 0 where none is given.
    pub element: i32,
    /// Its shape, if given.
    pub shape: Option<Vec<Dim>>,
}

/// An extent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// A number.
    Fixed(i64),
    /// A symbol, or nothing at all.
    Free(String),
}

/// A function of the file.
#[derive(Debug, Default)]
pub struct Function {
    /// Its name, called as an operator.
    pub name: String,
    /// Its domain.
    pub domain: String,
    /// Names of what it takes.
    pub inputs: Vec<String>,
    /// Names of what it returns.
    pub outputs: Vec<String>,
    /// Defaults of its attributes.
    pub defaults: Vec<Attribute>,
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// The operator sets that its nodes are of.
    pub opsets: Vec<(String, i64)>,
}

/// Reads a model's structure.
///
/// # Errors
/// A [`Refusal`] for bytes that are no ONNX model.
pub fn read(source: &ByteSource) -> Result<Model, Refusal> {
    let mut model = Model::default();
    let mut cursor = Cursor::new(source);
    let c = &mut cursor;
    while let Some(field) = c.field()? {
        match field {
            (2, Wire::Bytes(span)) => model.producer[0] = c.text(span)?,
            (3, Wire::Bytes(span)) => model.producer[1] = c.text(span)?,
            (7, Wire::Bytes(span)) => model.graph = Some(c.enter(span, |c| graph(c, 0))?),
            (8, Wire::Bytes(span)) => {
                let opset = c.enter(span, opset)?;
                c.push(&mut model.opsets, opset)?;
            }
            (14, Wire::Bytes(span)) => {
                let entry = c.enter(span, entry)?;
                c.push(&mut model.metadata, entry)?;
            }
            (25, Wire::Bytes(span)) => {
                let function = c.enter(span, function)?;
                c.push(&mut model.functions, function)?;
            }
            _ => {}
        }
    }
    Ok(model)
}

fn graph(c: &mut Cursor, depth: u32) -> Result<Graph, Refusal> {
    if depth > DEEPEST {
        return Err(Refusal::new("its graphs lie more than 16 deep inside each other"));
    }
    let mut graph = Graph::default();
    while let Some((number, wire)) = c.field()? {
        let Wire::Bytes(span) = wire else { continue };
        match number {
            1 => {
                let node = c.enter(span, |c| node(c, depth))?;
                c.push(&mut graph.nodes, node)?;
            }
            5 => {
                let tensor = c.enter(span, tensor)?;
                c.push(&mut graph.initializers, tensor)?;
            }
            11 => {
                let info = c.enter(span, value_info)?;
                c.push(&mut graph.inputs, info)?;
            }
            12 => {
                let info = c.enter(span, value_info)?;
                c.push(&mut graph.outputs, info)?;
            }
            15 => graph.sparse += 1,
            _ => {}
        }
    }
    Ok(graph)
}

fn node(c: &mut Cursor, depth: u32) -> Result<Node, Refusal> {
    let mut node = Node::default();
    while let Some((number, wire)) = c.field()? {
        let Wire::Bytes(span) = wire else { continue };
        match number {
            1 => {
                let name = c.text(span)?;
                c.push(&mut node.inputs, name)?;
            }
            2 => {
                let name = c.text(span)?;
                c.push(&mut node.outputs, name)?;
            }
            3 => node.name = c.text(span)?,
            4 => node.op = c.text(span)?,
            5 => {
                let attribute = c.enter(span, |c| attribute(c, depth))?;
                c.push(&mut node.attributes, attribute)?;
            }
            7 => node.domain = c.text(span)?,
            9 => {
                let entry = c.enter(span, entry)?;
                c.push(&mut node.metadata, entry)?;
            }
            _ => {}
        }
    }
    Ok(node)
}

fn attribute(c: &mut Cursor, depth: u32) -> Result<Attribute, Refusal> {
    let mut name = String::new();
    let mut refers_to = String::new();
    let mut value = AttributeValue::None;
    let (mut ints, mut floats, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    // The type decides between a scalar left at its default, which proto3 does not write, and nothing.
    let mut kind = 0;
    while let Some(field) = c.field()? {
        match field {
            (1, Wire::Bytes(span)) => name = c.text(span)?,
            (2, Wire::Fixed32(bits)) => value = AttributeValue::Float(f32::from_bits(bits)),
            (3, Wire::Varint(bits)) => value = AttributeValue::Int(bits.cast_signed()),
            (4, Wire::Bytes(span)) => value = AttributeValue::Text(c.text(span)?),
            (5, Wire::Bytes(span)) => value = AttributeValue::Tensor(Box::new(c.enter(span, tensor)?)),
            (6, Wire::Bytes(span)) => {
                value = AttributeValue::Graph(Box::new(c.enter(span, |c| graph(c, depth + 1))?));
            }
            (7, Wire::Fixed32(bits)) => c.push(&mut floats, f32::from_bits(bits))?,
            (7, Wire::Bytes(span)) => {
                c.enter(span, |c| {
                    while c.more() {
                        let number = f32::from_le_bytes(c.bytes()?);
                        c.push(&mut floats, number)?;
                    }
                    Ok(())
                })?;
            }
            (8, wire) => integers(c, wire, &mut ints)?,
            (9, Wire::Bytes(span)) => {
                let text = c.text(span)?;
                c.push(&mut texts, text)?;
            }
            (20, Wire::Varint(number)) => kind = number,
            (21, Wire::Bytes(span)) => refers_to = c.text(span)?,
            _ => {}
        }
    }
    let value = match (value, kind) {
        (AttributeValue::None, 1) => AttributeValue::Float(0.0),
        (AttributeValue::None, 2) => AttributeValue::Int(0),
        (AttributeValue::None, 3) => AttributeValue::Text(String::new()),
        // Very old files have no types.
        (AttributeValue::None, 6) => AttributeValue::Floats(floats),
        (AttributeValue::None, 7) => AttributeValue::Ints(ints),
        (AttributeValue::None, 8) => AttributeValue::Texts(texts),
        (AttributeValue::None, 0) if !floats.is_empty() => AttributeValue::Floats(floats),
        (AttributeValue::None, 0) if !ints.is_empty() => AttributeValue::Ints(ints),
        (AttributeValue::None, 0) if !texts.is_empty() => AttributeValue::Texts(texts),
        (value, _) => value,
    };
    Ok(Attribute { name, refers_to, value })
}

/// A repeated integer, packed or one of several fields.
fn integers(c: &mut Cursor, wire: Wire, into: &mut Vec<i64>) -> Result<(), Refusal> {
    match wire {
        Wire::Varint(bits) => c.push(into, bits.cast_signed()),
        Wire::Bytes(span) => c.enter(span, |c| {
            while c.more() {
                let number = c.varint()?.cast_signed();
                c.push(into, number)?;
            }
            Ok(())
        }),
        _ => Ok(()),
    }
}

fn tensor(c: &mut Cursor) -> Result<Tensor, Refusal> {
    let mut tensor = Tensor::default();
    let stored = &mut tensor.stored;
    while let Some((number, wire)) = c.field()? {
        match (number, wire) {
            (1, wire) => integers(c, wire, &mut stored.dims)?,
            (2, Wire::Varint(number)) => stored.element = i32::try_from(number).unwrap_or(0),
            (3, Wire::Bytes(_)) => return Err(Refusal::new("it has a tensor in segments; export it again")),
            (4 | 5 | 7 | 10 | 11, wire) => stored.typed(number, wire),
            (8, Wire::Bytes(span)) => tensor.name = c.text(span)?,
            (9, Wire::Bytes(span)) => stored.raw = Some(span),
            (13, Wire::Bytes(span)) => {
                let (key, value) = c.enter(span, entry)?;
                stored.external(&key, value)?;
            }
            (14, Wire::Varint(place)) => stored.outside = place == stored::EXTERNAL,
            _ => {}
        }
    }
    stored.message = Some(c.span());
    Ok(tensor)
}

fn value_info(c: &mut Cursor) -> Result<ValueInfo, Refusal> {
    let mut info = ValueInfo::default();
    while let Some((number, wire)) = c.field()? {
        match (number, wire) {
            (1, Wire::Bytes(span)) => info.name = c.text(span)?,
            (2, Wire::Bytes(span)) => {
                // The one kind of value that a network has is a tensor: TypeProto.tensor_type.
                let tensor_type = c.enter(span, |c| find(c, 1))?;
                let Some(span) = tensor_type else { continue };
                c.enter(span, |c| {
                    while let Some(field) = c.field()? {
                        match field {
                            (1, Wire::Varint(number)) => info.element = i32::try_from(number).unwrap_or(0),
                            (2, Wire::Bytes(span)) => info.shape = Some(c.enter(span, shape)?),
                            _ => {}
                        }
                    }
                    Ok(())
                })?;
            }
            _ => {}
        }
    }
    Ok(info)
}

/// The last message-like field with a number.
fn find(c: &mut Cursor, wanted: u32) -> Result<Option<Span>, Refusal> {
    let mut found = None;
    while let Some(field) = c.field()? {
        if let (number, Wire::Bytes(span)) = field
            && number == wanted
        {
            found = Some(span);
        }
    }
    Ok(found)
}

fn shape(c: &mut Cursor) -> Result<Vec<Dim>, Refusal> {
    let mut dims = Vec::new();
    while let Some((number, wire)) = c.field()? {
        let (1, Wire::Bytes(span)) = (number, wire) else { continue };
        let mut dim = Dim::Free(String::new());
        c.enter(span, |c| {
            while let Some(field) = c.field()? {
                match field {
                    (1, Wire::Varint(number)) => dim = Dim::Fixed(number.cast_signed()),
                    (2, Wire::Bytes(span)) => dim = Dim::Free(c.text(span)?),
                    _ => {}
                }
            }
            Ok(())
        })?;
        c.push(&mut dims, dim)?;
    }
    Ok(dims)
}

fn opset(c: &mut Cursor) -> Result<(String, i64), Refusal> {
    let (mut domain, mut version) = (String::new(), 0);
    while let Some(field) = c.field()? {
        match field {
            (1, Wire::Bytes(span)) => domain = c.text(span)?,
            (2, Wire::Varint(number)) => version = number.cast_signed(),
            _ => {}
        }
    }
    Ok((domain, version))
}

fn entry(c: &mut Cursor) -> Result<(String, String), Refusal> {
    let (mut key, mut value) = (String::new(), String::new());
    while let Some(field) = c.field()? {
        match field {
            (1, Wire::Bytes(span)) => key = c.text(span)?,
            (2, Wire::Bytes(span)) => value = c.text(span)?,
            _ => {}
        }
    }
    Ok((key, value))
}

fn function(c: &mut Cursor) -> Result<Function, Refusal> {
    let mut function = Function::default();
    while let Some((number, wire)) = c.field()? {
        let Wire::Bytes(span) = wire else { continue };
        match number {
            1 => function.name = c.text(span)?,
            4 => {
                let name = c.text(span)?;
                c.push(&mut function.inputs, name)?;
            }
            5 => {
                let name = c.text(span)?;
                c.push(&mut function.outputs, name)?;
            }
            7 => {
                let node = c.enter(span, |c| node(c, 0))?;
                c.push(&mut function.nodes, node)?;
            }
            9 => {
                let opset = c.enter(span, opset)?;
                c.push(&mut function.opsets, opset)?;
            }
            10 => function.domain = c.text(span)?,
            11 => {
                let attribute = c.enter(span, |c| attribute(c, 0))?;
                c.push(&mut function.defaults, attribute)?;
            }
            _ => {}
        }
    }
    Ok(function)
}
