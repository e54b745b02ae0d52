//! Every operator as a network of its own: gradients against finite differences, the two sets of kernels against each
//! other, several pictures against each alone, and what the rules of relevance promise.

mod support;

use candle_core::{Device, Tensor};
use gradlens::Error;
use gradlens::graph::ops::*;
use gradlens::graph::{Graph, GraphBuilder, LayerName, LrpRule, NodeId, Operator};
use gradlens::kernels::{Conv2d, ConvShape, KernelSet, MaxPool, Padding, ReluRule, WindowShape};
use gradlens::optim::{noise, step_rng};
use support::{add, relative_error, values};

const BOTH: [KernelSet; 2] = [KernelSet::Fast, KernelSet::Candle];

fn random(seed: u64, shape: &[usize]) -> Tensor {
    noise(&mut step_rng(seed, 0), shape, &Device::Cpu).expect("noise")
}

fn dot(a: &Tensor, b: &Tensor) -> f64 {
    values(a).iter().zip(values(b)).map(|(a, b)| f64::from(*a) * f64::from(b)).sum()
}

fn sum(x: &Tensor) -> f64 {
    values(x).iter().map(|v| f64::from(*v)).sum()
}

/// The methods that an operator may have no rule for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Method {
    DeepLift,
    Lrp,
    FullGrad,
}
use Method::{DeepLift, FullGrad, Lrp};

/// A network that computes one thing.
struct Case {
    name: String,
    /// `[C, H, W]`.
    shape: [usize; 3],
    graph: Graph,
    /// What stands between the noise and the network, for functions with kinks or poles.
    prepared: fn(Tensor) -> candle_core::Result<Tensor>,
    /// The methods that it has no rule for.
    without: Vec<Method>,
}

impl Case {
    fn new(name: &str, shape: [usize; 3], build: impl FnOnce(&mut GraphBuilder, NodeId) -> NodeId) -> Self {
        let mut graph = GraphBuilder::new(shape[0], [shape[1], shape[2]]);
        let input = graph.input();
        let end = build(&mut graph, input);
        graph.name(end, LayerName::LOGITS).expect("a new name");
        let graph = graph.build(Device::Cpu).expect("a network");
        Self { name: name.to_owned(), shape, graph, prepared: Ok, without: vec![] }
    }

    /// An operator of one input.
    fn of(name: &str, shape: [usize; 3], op: impl Operator) -> Self {
        Self::new(name, shape, |graph, input| add(graph, op, &[input]))
    }

    /// An operator of one input of any shape: the picture reshaped.
    fn reshaped(name: &str, shape: &[usize], op: impl Operator) -> Self {
        let count: usize = shape.iter().product();
        Self::new(name, [1, 1, count], |graph, input| {
            let value = add(graph, Reshape::new(shape.to_vec()), &[input]);
            add(graph, op, &[value])
        })
    }

    /// An operator of two inputs: the picture cut in two and reshaped.
    fn of_two(name: &str, a: &[usize], b: &[usize], op: impl Operator) -> Self {
        let count = |shape: &[usize]| shape.iter().product::<usize>();
        Self::new(name, [1, 1, count(a) + count(b)], |graph, input| {
            let parts = [(0, a), (count(a), b)].map(|(start, shape)| {
                let part = add(graph, Slice::part(3, start, count(shape)), &[input]);
                add(graph, Reshape::new(shape.to_vec()), &[part])
            });
            add(graph, op, &parts)
        })
    }

    fn prepared(self, prepared: fn(Tensor) -> candle_core::Result<Tensor>) -> Self {
        Self { prepared, ..self }
    }

    fn without(self, without: &[Method]) -> Self {
        Self { without: without.to_vec(), ..self }
    }

    fn picture(&self, seed: u64) -> Tensor {
        let [c, h, w] = self.shape;
        (self.prepared)(random(seed, &[1, c, h, w])).expect("a picture")
    }

    /// The output, and the gradient of ⟨u, output⟩ at the input.
    fn gradient(&self, graph: &Graph, x: &Tensor, u: Option<&Tensor>) -> (Tensor, Tensor) {
        let out: LayerName = LayerName::LOGITS.into();
        let at = graph.forward(x, std::slice::from_ref(&out)).unwrap_or_else(|e| panic!("{}: {e}", self.name));
        let y = at.get(&out).expect("the output");
        let u = u.cloned().unwrap_or_else(|| random(77, y.dims()));
        let found = graph.backward(&at, &[(out, u)], &[LayerName::INPUT.into()], ReluRule::Standard);
        (y, found.unwrap_or_else(|e| panic!("{}: {e}", self.name)).input().expect("a gradient").clone())
    }

    fn check(&self) {
        let x = self.picture(1);
        let mut gradients = vec![];
        for set in BOTH {
            let graph = self.graph.clone().with_kernels(set);
            let (y, dx) = self.gradient(&graph, &x, None);
            let [_, c, h, w] = y.dims()[..] else { panic!("{}: a tap is four-dimensional", self.name) };
            let listed = graph.layers(self.shape[1], self.shape[2]).expect("layers");
            assert_eq!(listed.last().expect("the output").shape, [c, h, w], "{}", self.name);
            self.check_slope(&graph, &x, &y, &dx);
            self.check_batch(&graph, &x, &y, &dx);
            gradients.push((values(&y), values(&dx)));
        }
        let [(y, dx), (y0, dx0)] = &gradients[..] else { unreachable!("two sets") };
        assert!(relative_error(y, y0) < 1e-5, "{}: outputs of the two sets differ", self.name);
        assert!(relative_error(dx, dx0) < 1e-5, "{}: gradients of the two sets differ", self.name);
        self.check_rules(&x);
    }

    /// ⟨J·v, u⟩ measured by central differences against ⟨v, Jᵀ·u⟩.
    fn check_slope(&self, graph: &Graph, x: &Tensor, y: &Tensor, dx: &Tensor) {
        let (u, v) = (random(77, y.dims()), random(78, x.dims()));
        let step = 1e-3;
        let at = |t: f64| {
            let x = (x + (&v * t).expect("a step")).expect("a step");
            let out: LayerName = LayerName::LOGITS.into();
            dot(&graph.infer(&x, std::slice::from_ref(&out)).expect("a pass").get(&out).expect("the output"), &u)
        };
        let (measured, claimed) = ((at(step) - at(-step)) / (2.0 * step), dot(&v, dx));
        let scale = (dot(&v, &v) * dot(dx, dx)).sqrt() + 1e-2;
        assert!((measured - claimed).abs() < 5e-3 * scale, "{}: {claimed} for {measured}", self.name);
    }

    /// Two pictures at once are each alone.
    fn check_batch(&self, graph: &Graph, x: &Tensor, y: &Tensor, dx: &Tensor) {
        let other = self.picture(2);
        let both = Tensor::cat(&[&other, x], 0).expect("two pictures");
        let u = random(77, y.dims());
        let (ys, dxs) = self.gradient(graph, &both, Some(&Tensor::cat(&[&u, &u], 0).expect("two seeds")));
        for (all, one) in [(ys, y), (dxs, dx)] {
            assert_eq!(all.dim(0).expect("pictures"), 2, "{}", self.name);
            let second = values(&all.narrow(0, 1, 1).expect("the second"));
            assert!(relative_error(&second, &values(one)) < 1e-6, "{}: two pictures at once", self.name);
        }
    }

    fn check_rules(&self, x: &Tensor) {
        let out: LayerName = LayerName::LOGITS.into();
        let reference = self.picture(3);
        let (at, other) = (self.graph.trace(x).expect("a pass"), self.graph.trace(&reference).expect("a pass"));
        let (y, y0) = (at.get(&out).expect("the output"), other.get(&out).expect("the output"));
        let u = random(79, y.dims());
        let close = |method: Method, promised: f64, found: f64, scale: f64| {
            let error = (promised - found).abs();
            assert!(error < 2e-4 * scale.max(1.0), "{} under {method:?}: {found} for {promised}", self.name);
        };
        let size = |x: &Tensor| values(x).iter().map(|v| f64::from(v.abs())).sum::<f64>();
        let seeds = |seed: &Tensor| [(out.clone(), seed.clone())];
        // ⟨u, y⟩ is Σ x·∂x and the biases.
        if let Some((terms, gradients)) = self.ruled(FullGrad, self.graph.bias_terms(&at, &seeds(&u))) {
            let product = (x * gradients.input().expect("a gradient")).expect("products");
            let found = sum(&product) + terms.iter().map(sum).sum::<f64>();
            close(FullGrad, dot(&u, &y), found, size(&product) + terms.iter().map(size).sum::<f64>());
        }
        // ⟨u, y − y′⟩ is Σ (x − x′)·m.
        if let Some(multipliers) = self.ruled(DeepLift, self.graph.deeplift(&at, &other, &seeds(&u))) {
            let product = ((x - &reference).expect("a difference") * multipliers).expect("products");
            let difference = (&y - &y0).expect("a difference");
            close(DeepLift, dot(&u, &difference), sum(&product), size(&product));
        }
        // What comes out has gone in.
        let relevance = (&u * &y).expect("relevance");
        for gamma in [0.0, 0.25] {
            let rule = LrpRule { epsilon: 0.0, gamma };
            if let Some((shared, biases)) = self.ruled(Lrp, self.graph.lrp(&at, &seeds(&relevance), rule)) {
                close(Lrp, sum(&relevance), sum(&shared) + biases, size(&shared) + size(&relevance));
            }
        }
    }

    /// What a method found, or nothing if it has said that there is no rule and there should be none.
    fn ruled<T>(&self, method: Method, found: gradlens::Result<T>) -> Option<T> {
        match found {
            Ok(found) => {
                assert!(!self.without.contains(&method), "{} should have no rule for {method:?}", self.name);
                Some(found)
            }
            Err(Error::NoRule { .. }) if self.without.contains(&method) => None,
            Err(error) => panic!("{} under {method:?}: {error}", self.name),
        }
    }
}

fn check(cases: impl IntoIterator<Item = Case>) {
    cases.into_iter().for_each(|case| case.check());
}

/// Half numbers: away from kinks at whole ones.
fn halves(x: Tensor) -> candle_core::Result<Tensor> {
    (x * 3.0)?.round()? + 0.5
}

fn conv(shape: [usize; 4], stride: usize) -> Convolution {
    let bias = random(21, &shape[..1]);
    let geometry = ConvShape { stride: [stride; 2], padding: Padding::SameUpper, ..ConvShape::default() };
    Convolution::new(Conv2d::new(random(20, &shape), Some(bias), geometry).expect("a convolution"))
}

#[test]
fn layers_with_weights() {
    let linear = |o: usize, i: usize, axis| {
        Linear::new(&random(22, &[o, i]), Some(random(23, &[o])), axis).expect("a linear layer")
    };
    check([
        Case::of("convolution", [3, 7, 6], conv([4, 3, 3, 3], 2)),
        Case::reshaped("linear", &[1, 12], linear(5, 12, 1)),
        Case::reshaped("linear over tokens", &[1, 7, 12], linear(5, 12, 2)),
        Case::reshaped("linear over channels last", &[1, 3, 2, 8], linear(5, 8, 3)),
        Case::of("linear over channels", [6, 4, 3], linear(5, 6, 1)),
    ]);
}

#[test]
fn rectifiers_sums_and_pooling() {
    let pool = MaxPool { window: WindowShape { ceil: true, ..WindowShape::square(3, 2) } };
    check([
        Case::of("ReLU", [3, 4, 5], Rectifier::RELU).prepared(halves),
        Case::of("ReLU6", [3, 4, 5], Rectifier::RELU6).prepared(|x| halves((x * 3.0)?)),
        Case::reshaped("ReLU of tokens", &[1, 4, 6], Rectifier::RELU).prepared(halves),
        Case::of("max-pooling", [3, 8, 7], MaxPooling::new(pool)),
        Case::of("mean", [3, 4, 5], GlobalAveragePooling),
        Case::of_two("sum", &[1, 2, 3, 4], &[1, 2, 3, 4], Sum),
        Case::of_two("sum of tokens", &[1, 5, 4], &[1, 5, 4], Sum),
    ]);
}

#[test]
fn moving_values() {
    let backwards = Range { axis: 2, start: 5, count: 3, step: -2 };
    let shuffled = Gather::new(1, &[2, 0, 3, 1], vec![4]).expect("places");
    let twice = Gather::new(2, &[1, 1, 4, 0], vec![2, 2]).expect("places");
    let one = Gather::new(1, &[0], vec![]).expect("a place");
    check([
        Case::of("reshaping", [4, 3, 2], Reshape::new(vec![1, 6, 4])),
        Case::of("flattening", [4, 3, 2], Reshape::new(vec![1, 24])),
        Case::new("heads to the front", [4, 3, 2], |graph, input| {
            let heads = add(graph, Reshape::new(vec![4, 6]), &[input]);
            add(graph, Reshape::new(vec![1, 2, 12]), &[heads])
        }),
        Case::of("channels last", [4, 3, 2], Transpose::new(vec![0, 2, 3, 1])),
        Case::reshaped("channels first", &[1, 3, 2, 4], Transpose::new(vec![0, 3, 1, 2])),
        Case::reshaped("transposed heads", &[1, 3, 2, 4], Transpose::new(vec![0, 2, 1, 3])),
        Case::new("transposed pictures", [2, 3, 4], |graph, input| {
            let heads = add(graph, Transpose::new(vec![1, 2, 0, 3]), &[input]);
            add(graph, Transpose::new(vec![2, 0, 1, 3]), &[heads])
        }),
        Case::of("channels", [5, 3, 4], Slice::part(1, 1, 3)),
        Case::of(
            "every other line, backwards",
            [2, 6, 4],
            Slice::new(vec![backwards, Range { axis: 3, start: 0, count: 2, step: 2 }]),
        ),
        Case::of("shuffle", [4, 3, 2], shuffled),
        Case::reshaped("the same place twice", &[1, 2, 5], twice),
        Case::reshaped("the class's token", &[1, 4, 5], one),
        Case::reshaped("expansion", &[1, 1, 5], Expand::new(vec![1, 3, 5])),
        Case::reshaped("tiling", &[1, 2, 3], Tile::new(vec![1, 2, 3])),
        Case::of_two("tokens joined", &[1, 2, 4], &[1, 3, 4], Concat::new(1)),
        Case::of_two("channels joined", &[1, 2, 3, 4], &[1, 5, 3, 4], Concat::CHANNELS),
        Case::of_two("lines joined", &[1, 2, 3, 4], &[1, 2, 1, 4], Concat::new(2)),
        Case::of_two(
            "choice",
            &[1, 3, 4],
            &[1, 1, 4],
            Select::new(&random(30, &[3, 4]).relu().expect("a condition")).expect("a choice"),
        ),
    ]);
}

#[test]
fn attention() {
    check([
        Case::of_two("matrices", &[1, 3, 4], &[1, 4, 5], MatMul),
        Case::of_two("heads", &[1, 2, 3, 4], &[1, 2, 4, 5], MatMul),
        Case::of_two("one matrix for all", &[1, 2, 3, 4], &[4, 5], MatMul),
        Case::reshaped("softmax", &[1, 2, 3, 5], Softmax::new(3)).without(&[DeepLift]),
        Case::reshaped("softmax in the middle", &[1, 4, 5], Softmax::new(1)).without(&[DeepLift]),
        Case::reshaped("its logarithm", &[1, 7], Softmax::logarithm(1)).without(&[DeepLift, Lrp]),
    ]);
}

#[test]
fn constants_count_as_biases() {
    let token = || Constant::new(random(31, &[1, 1, 4]));
    check([
        Case::new("a learned token", [1, 3, 4], |graph, input| {
            let tokens = add(graph, Reshape::new(vec![1, 3, 4]), &[input]);
            let token = add(graph, token(), &[]);
            add(graph, Concat::new(1), &[token, tokens])
        }),
        Case::new("a learned sum", [1, 1, 4], |graph, input| {
            let tokens = add(graph, Reshape::new(vec![1, 1, 4]), &[input]);
            let token = add(graph, token(), &[]);
            add(graph, Sum, &[token, tokens])
        }),
    ]);
}

#[test]
fn a_method_names_the_operator_that_it_has_no_rule_for() {
    let case = Case::of("softmax", [4, 1, 1], Softmax::new(1));
    let (x, reference) = (case.picture(1), case.picture(2));
    let (at, other) = (case.graph.trace(&x).expect("a pass"), case.graph.trace(&reference).expect("a pass"));
    let seed = [(LayerName::LOGITS.into(), random(3, &[1, 4, 1, 1]))];
    let error = case.graph.deeplift(&at, &other, &seed).expect_err("there is no rule").to_string();
    assert!(error.starts_with("DeepLIFT has no rule for softmax in layer logits; "), "{error}");
}

#[test]
fn a_graph_that_does_not_fit_together_is_refused() {
    let mut graph = GraphBuilder::new(3, [8, 8]);
    let input = graph.input();
    let refused = |found: gradlens::Result<NodeId>, with: &str| match found {
        Err(error @ Error::BadGraph { .. }) => assert!(error.to_string().contains(with), "{error}"),
        other => panic!("{other:?} where \"{with}\" was due"),
    };
    refused(graph.add(Sum, &[input]), "it takes 2 inputs, not 1");
    refused(graph.add(conv([4, 5, 3, 3], 1), &[input]), "convolution");
    refused(graph.add(Slice::part(1, 2, 2), &[input]), "does not lie within 3 values");
    let mut larger = GraphBuilder::new(3, [8, 8]);
    let start = larger.input();
    let far = add(&mut larger, Rectifier::RELU, &[start]);
    let far = add(&mut larger, Rectifier::RELU, &[far]);
    refused(graph.add(Rectifier::RELU, &[far]), "comes after");
    let first = add(&mut graph, Rectifier::RELU, &[input]);
    let second = add(&mut graph, Rectifier::RELU, &[first]);
    graph.name(first, "first").expect("a new name");
    assert!(graph.name(second, "first").is_err() && graph.name(second, "input").is_err(), "names are used once");
    let heads = add(&mut graph, Transpose::new(vec![1, 0, 2, 3]), &[second]);
    assert!(graph.name(heads, "heads").is_err(), "a layer is of one picture after the other");
    assert_eq!(graph.shape(second).expect("a shape"), [1, 3, 8, 8]);
    assert!(GraphBuilder::new(3, [8, 8]).build(Device::Cpu).is_err(), "a network has an end");
}

/// A convolution, a sum and a rectifier, each with a name, as a residual block has them.
fn block(named: bool) -> Graph {
    let mut graph = GraphBuilder::new(4, [9, 7]);
    let input = graph.input();
    let first = add(&mut graph, conv([4, 4, 3, 3], 1), &[input]);
    let active = add(&mut graph, Rectifier::RELU6, &[first]);
    let second = add(&mut graph, conv([4, 4, 3, 3], 1), &[active]);
    let sum = add(&mut graph, Sum, &[second, input]);
    let last = add(&mut graph, Rectifier::RELU, &[sum]);
    if named {
        for (node, name) in [(first, "first"), (active, "active"), (second, "second"), (sum, "sum")] {
            graph.name(node, name).expect("a new name");
        }
    }
    graph.name(last, "last").expect("a new name");
    graph.build(Device::Cpu).expect("a network")
}

#[test]
fn what_is_tapped_changes_no_bit() {
    let x = random(5, &[1, 4, 9, 7]);
    let (names, last) = (["first", "active", "second", "sum", "last"].map(LayerName::from), LayerName::from("last"));
    let graph = block(true);
    let bare = block(false).forward(&x, std::slice::from_ref(&last)).expect("a pass");
    let fused = graph.forward(&x, std::slice::from_ref(&last)).expect("a pass");
    let tapped = graph.forward(&x, &names).expect("a pass");
    let y = values(&bare.get(&last).expect("a tap"));
    assert_eq!(values(&fused.get(&last).expect("a tap")), y);
    assert_eq!(values(&tapped.get(&last).expect("a tap")), y);
    let seed = [(last, random(6, &[1, 4, 9, 7]))];
    // Layers that nobody tapped have gradients, too.
    let [all, few] = [&tapped, &fused].map(|at| graph.backward(at, &seed, &names, ReluRule::Standard));
    let (all, few) = (all.expect("gradients"), few.expect("gradients"));
    for name in &names {
        assert_eq!(values(all.get(name).expect("a gradient")), values(few.get(name).expect("a gradient")), "{name}");
    }
    let input = [LayerName::INPUT.into()];
    let of_input = |graph: &Graph, at| {
        values(graph.backward(at, &seed, &input, ReluRule::Standard).expect("gradients").input().expect("a gradient"))
    };
    assert_eq!(of_input(&graph, &fused), of_input(&block(false), &bare));
}

#[test]
fn a_layer_in_the_middle_can_be_replaced() {
    let x = random(5, &[2, 4, 9, 7]);
    let (graph, last) = (block(true), LayerName::from("last"));
    let whole = graph.infer(&x, &[last.clone(), "second".into()]).expect("a pass");
    let second = whole.get(&"second".into()).expect("a tap");
    let replaced = graph.infer_from(&x, &"second".into(), &second, std::slice::from_ref(&last)).expect("a pass");
    assert_eq!(values(&replaced.get(&last).expect("a tap")), values(&whole.get(&last).expect("a tap")));
}

#[test]
fn what_a_network_costs_is_counted() {
    let graph = block(true);
    assert_eq!(graph.macs(9, 7).expect("a size"), 2 * 9 * 7 * 4 * 4 * 9);
    assert_eq!(graph.parameters(), 2 * (4 * 4 * 9 + 4));
    let tokens = Case::of_two("heads", &[1, 2, 3, 4], &[1, 2, 4, 5], MatMul);
    assert_eq!(tokens.graph.macs(1, 64).expect("a size"), 2 * 3 * 4 * 5);
}
