//! A network that computes one thing, and what has to hold of it.

use candle_core::{Device, Tensor};
use gradlens::Error;
use gradlens::graph::ops::{Reshape, Slice};
use gradlens::graph::{Graph, GraphBuilder, LayerName, LrpRule, NodeId, Operator};
use gradlens::kernels::{KernelSet, ReluRule};
use gradlens::optim::{noise, step_rng};

use super::support::{add, relative_error, values};

const BOTH: [KernelSet; 2] = [KernelSet::Fast, KernelSet::Candle];

pub fn random(seed: u64, shape: &[usize]) -> Tensor {
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
pub enum Method {
    DeepLift,
    Lrp,
    FullGrad,
}
pub use Method::{DeepLift, FullGrad, Lrp};

/// A network that computes one thing.
pub struct Case {
    pub name: String,
    /// `[C, H, W]`.
    pub shape: [usize; 3],
    pub graph: Graph,
    /// What stands between the noise and the network, for functions with kinks or poles.
    pub prepared: fn(Tensor) -> candle_core::Result<Tensor>,
    /// The methods that it has no rule for.
    pub without: Vec<Method>,
}

impl Case {
    pub fn new(name: &str, shape: [usize; 3], build: impl FnOnce(&mut GraphBuilder, NodeId) -> NodeId) -> Self {
        let mut graph = GraphBuilder::new(shape[0], [shape[1], shape[2]]);
        let input = graph.input();
        let end = build(&mut graph, input);
        graph.name(end, LayerName::LOGITS).expect("a new name");
        let graph = graph.build(Device::Cpu).expect("a network");
        Self { name: name.to_owned(), shape, graph, prepared: Ok, without: vec![] }
    }

    /// An operator of one input.
    pub fn of(name: &str, shape: [usize; 3], op: impl Operator) -> Self {
        Self::new(name, shape, |graph, input| add(graph, op, &[input]))
    }

    /// An operator of one input of any shape: the picture reshaped.
    pub fn reshaped(name: &str, shape: &[usize], op: impl Operator) -> Self {
        let count: usize = shape.iter().product();
        Self::new(name, [1, 1, count], |graph, input| {
            let value = add(graph, Reshape::new(shape.to_vec()), &[input]);
            add(graph, op, &[value])
        })
    }

    /// An operator of two inputs: the picture cut in two and reshaped.
    pub fn of_two(name: &str, a: &[usize], b: &[usize], op: impl Operator) -> Self {
        let count = |shape: &[usize]| shape.iter().product::<usize>();
        Self::new(name, [1, 1, count(a) + count(b)], |graph, input| {
            let parts = [(0, a), (count(a), b)].map(|(start, shape)| {
                let part = add(graph, Slice::part(3, start, count(shape)), &[input]);
                add(graph, Reshape::new(shape.to_vec()), &[part])
            });
            add(graph, op, &parts)
        })
    }

    pub fn prepared(self, prepared: fn(Tensor) -> candle_core::Result<Tensor>) -> Self {
        Self { prepared, ..self }
    }

    pub fn without(self, without: &[Method]) -> Self {
        Self { without: without.to_vec(), ..self }
    }

    pub fn picture(&self, seed: u64) -> Tensor {
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

    pub fn check(&self) {
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
