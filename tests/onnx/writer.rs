//! Writes ONNX files for the tests, also such as no exporter would.

/// Element types by ONNX's numbers.
pub const FLOAT: i64 = 1;
pub const UINT8: i64 = 2;
pub const INT8: i64 = 3;
pub const INT64: i64 = 7;

pub fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A field that holds an integer.
pub fn number(field: u64, value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(field << 3, &mut out);
    varint(value.cast_unsigned(), &mut out);
    out
}

/// A field that holds four bytes.
pub fn four(field: u64, value: f32) -> Vec<u8> {
    let mut out = Vec::new();
    varint(field << 3 | 5, &mut out);
    out.extend(value.to_le_bytes());
    out
}

/// A field that holds a message, a text or bytes.
pub fn bytes(field: u64, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    let mut out = Vec::new();
    varint(field << 3 | 2, &mut out);
    varint(content.len() as u64, &mut out);
    out.extend(content);
    out
}

/// A packed field of integers.
pub fn packed(field: u64, values: &[i64]) -> Vec<u8> {
    let mut content = Vec::new();
    values.iter().for_each(|v| varint(v.cast_unsigned(), &mut content));
    bytes(field, content)
}

/// Attributes of a node.
pub fn int(name: &str, value: i64) -> Vec<u8> {
    [bytes(1, name), number(3, value), number(20, 2)].concat()
}

pub fn float(name: &str, value: f32) -> Vec<u8> {
    [bytes(1, name), four(2, value), number(20, 1)].concat()
}

pub fn text(name: &str, value: &str) -> Vec<u8> {
    [bytes(1, name), bytes(4, value), number(20, 3)].concat()
}

pub fn ints(name: &str, values: &[i64]) -> Vec<u8> {
    let each: Vec<u8> = values.iter().flat_map(|v| number(8, *v)).collect();
    [bytes(1, name), each, number(20, 7)].concat()
}

pub fn floats(name: &str, values: &[f32]) -> Vec<u8> {
    let each: Vec<u8> = values.iter().flat_map(|v| four(7, *v)).collect();
    [bytes(1, name), each, number(20, 6)].concat()
}

pub fn tensor(name: &str, tensor: &[u8]) -> Vec<u8> {
    [bytes(1, name), bytes(5, tensor), number(20, 4)].concat()
}

pub fn graph(name: &str, graph: &Graph) -> Vec<u8> {
    [bytes(1, name), bytes(6, graph.encode()), number(20, 5)].concat()
}

/// An attribute that stands for one of the function around it.
pub fn reference(name: &str, outer: &str) -> Vec<u8> {
    [bytes(1, name), bytes(21, outer)].concat()
}

/// A tensor with its numbers as they are in memory.
pub fn raw(name: &str, element: i64, dims: &[i64], content: &[u8]) -> Vec<u8> {
    [packed(1, dims), number(2, element), bytes(8, name), bytes(9, content)].concat()
}

pub fn raw_floats(name: &str, dims: &[i64], values: &[f32]) -> Vec<u8> {
    let content: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    raw(name, FLOAT, dims, &content)
}

pub fn raw_ints(name: &str, dims: &[i64], values: &[i64]) -> Vec<u8> {
    let content: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    raw(name, INT64, dims, &content)
}

/// A node.
pub fn node(op: &str, inputs: &[&str], outputs: &[&str], attributes: &[Vec<u8>]) -> Vec<u8> {
    named_node("", op, inputs, outputs, attributes)
}

pub fn named_node(name: &str, op: &str, inputs: &[&str], outputs: &[&str], attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    inputs.iter().for_each(|i| out.extend(bytes(1, i)));
    outputs.iter().for_each(|o| out.extend(bytes(2, o)));
    out.extend(bytes(3, name));
    out.extend(bytes(4, op));
    attributes.iter().for_each(|a| out.extend(bytes(5, a)));
    out
}

/// An input or output; an extent below 0 is a symbol.
pub fn info(name: &str, element: i64, dims: &[i64]) -> Vec<u8> {
    let dim = |d: &i64| bytes(1, if *d < 0 { bytes(2, "n") } else { number(1, *d) });
    let shape: Vec<u8> = dims.iter().flat_map(dim).collect();
    let kind = [number(1, element), bytes(2, shape)].concat();
    [bytes(1, name), bytes(2, bytes(1, kind))].concat()
}

/// A graph in the making.
#[derive(Clone, Default)]
pub struct Graph {
    pub nodes: Vec<Vec<u8>>,
    pub weights: Vec<Vec<u8>>,
    pub inputs: Vec<Vec<u8>>,
    pub outputs: Vec<Vec<u8>>,
}

impl Graph {
    /// From a picture `x` of this shape to `y`.
    pub fn new(dims: &[i64]) -> Self {
        Self { inputs: vec![info("x", FLOAT, dims)], outputs: vec![info("y", FLOAT, &[])], ..Self::default() }
    }

    pub fn node(mut self, op: &str, inputs: &[&str], output: &str, attributes: &[Vec<u8>]) -> Self {
        self.nodes.push(node(op, inputs, &[output], attributes));
        self
    }

    pub fn push(mut self, node: Vec<u8>) -> Self {
        self.nodes.push(node);
        self
    }

    pub fn floats(mut self, name: &str, dims: &[i64], values: &[f32]) -> Self {
        self.weights.push(raw_floats(name, dims, values));
        self
    }

    /// Weights that no two are the same of.
    pub fn weights(self, name: &str, dims: &[i64]) -> Self {
        let count = dims.iter().product::<i64>();
        let values: Vec<f32> = (0..count).map(|i| (i as f32 * 0.7 + dims.len() as f32).sin()).collect();
        self.floats(name, dims, &values)
    }

    pub fn ints(mut self, name: &str, values: &[i64]) -> Self {
        self.weights.push(raw_ints(name, &[values.len() as i64], values));
        self
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (field, list) in [(1, &self.nodes), (5, &self.weights), (11, &self.inputs), (12, &self.outputs)] {
            list.iter().for_each(|message| out.extend(bytes(field, message)));
        }
        out
    }

    /// A whole file.
    pub fn file(&self, opset: i64) -> Vec<u8> {
        self.file_with(opset, &[])
    }

    /// A whole file with more fields behind.
    pub fn file_with(&self, opset: i64, more: &[u8]) -> Vec<u8> {
        [number(1, 8), bytes(7, self.encode()), bytes(8, number(2, opset)), more.to_vec()].concat()
    }
}

/// A key–value pair of a file.
pub fn metadata(key: &str, value: &str) -> Vec<u8> {
    bytes(14, [bytes(1, key), bytes(2, value)].concat())
}
