//! What flows between two operators.

use crate::kernels::{Axes, KernelSet, Map};
use candle_core::{Result, Tensor, bail};

/// The size of a value along each axis, pictures first.
pub type Shape = Vec<usize>;

/// The output of an operator, or the gradient at it: numbers of a logical shape of any rank (`[N, C, H, W]` maps,
/// `[N, T, C]` tokens, …) in whatever storage the operator before has left them. Who reads it asks for the storage it
/// works on. Cloning shares the data.
#[derive(Debug, Clone)]
pub struct Value {
    storage: Storage,
    /// What maps are made for.
    kernels: KernelSet,
}

#[derive(Debug, Clone)]
enum Storage {
    /// `[N, C, H, W]`.
    Map(Map),
    /// Any shape, its last axis the channels of the map, its first the pictures, all between the height.
    Rows(Map, Shape),
    /// Any shape.
    Tensor(Tensor),
}

impl Value {
    /// A map.
    #[must_use]
    pub fn of_map(map: Map, kernels: KernelSet) -> Self {
        Self { storage: Storage::Map(map), kernels }
    }

    /// A tensor of any rank, float32, on the device of the network.
    #[must_use]
    pub fn of_tensor(tensor: Tensor, kernels: KernelSet) -> Self {
        Self { storage: Storage::Tensor(tensor), kernels }
    }

    /// A tensor for the same kernels as this value.
    #[must_use]
    pub fn with(&self, tensor: Tensor) -> Self {
        Self::of_tensor(tensor, self.kernels)
    }

    /// A map for the same kernels as this value.
    #[must_use]
    pub fn with_map(&self, map: Map) -> Self {
        Self::of_map(map, self.kernels)
    }

    /// Rows of channels, as [`Value::into_rows`] gives them. `shape` ends in the channels.
    ///
    /// # Errors
    /// If the rows are not those of a value of this shape.
    pub fn of_rows(rows: Map, shape: Shape, kernels: KernelSet) -> Result<Self> {
        if rows.shape() != rows_of(&shape) {
            bail!("rows of shape {:?} are no value of shape {shape:?}", rows.shape());
        }
        Ok(Self { storage: Storage::Rows(rows, shape), kernels })
    }

    /// What maps of it are made for.
    #[must_use]
    pub fn kernels(&self) -> KernelSet {
        self.kernels
    }

    /// The same tensor for other kernels.
    pub(super) fn for_kernels(self, kernels: KernelSet) -> Self {
        Self { kernels, ..self }
    }

    /// The size along each axis.
    #[must_use]
    pub fn shape(&self) -> Shape {
        match &self.storage {
            Storage::Map(map) => map.shape().to_vec(),
            Storage::Rows(_, shape) => shape.clone(),
            Storage::Tensor(tensor) => tensor.dims().to_vec(),
        }
    }

    /// Whether it is stored as a map `[N, C, H, W]`.
    #[must_use]
    pub fn is_map(&self) -> bool {
        matches!(self.storage, Storage::Map(_))
    }

    /// The map that it is stored as, if it is: the fast way for those who can do without a copy.
    #[must_use]
    pub fn as_map(&self) -> Option<&Map> {
        match &self.storage {
            Storage::Map(map) | Storage::Rows(map, _) => Some(map),
            Storage::Tensor(_) => None,
        }
    }

    /// A value of rank 4 as a map `[N, C, H, W]`.
    ///
    /// # Errors
    /// If it has another rank.
    pub fn into_map(self) -> Result<Map> {
        match self.storage {
            Storage::Map(map) => Ok(map),
            _ => Map::from_tensor(&self.to_tensor()?, self.kernels),
        }
    }

    /// [`Value::into_map`] of a copy, which shares the data where it is stored so already.
    ///
    /// # Errors
    /// As there.
    pub fn map(&self) -> Result<Map> {
        self.clone().into_map()
    }

    /// A value of any rank as rows of channels: a map `[N, C, T, 1]`, C the last axis, N the first, T all between.
    ///
    /// # Errors
    /// If candle cannot allocate them.
    pub fn into_rows(self) -> Result<Map> {
        match self.storage {
            Storage::Rows(map, _) => Ok(map),
            _ => {
                let [n, c, t, _] = rows_of(&self.shape());
                Map::from_channels_last(&self.to_tensor()?.reshape((n, t, 1, c))?, self.kernels)
            }
        }
    }

    /// How it lies in memory: what can be had as a map without a transposition.
    #[must_use]
    pub fn layout(&self) -> Layout {
        if self.is_map() { Layout::ChannelsFirst } else { Layout::ChannelsLast }
    }

    /// A value of rank 4 at most as the map of this layout.
    ///
    /// # Errors
    /// If it has a higher rank, or another than 4 where channels come first.
    pub fn laid_out(self, layout: Layout) -> Result<Map> {
        match layout {
            Layout::ChannelsFirst => self.into_map(),
            Layout::ChannelsLast => {
                let [n, _, h, w] = layout.map_shape(&self.shape())?;
                self.into_rows()?.with_pixels([n, h, w])
            }
        }
    }

    /// A map of this layout as a value of `shape`: the way back from [`Value::laid_out`].
    ///
    /// # Errors
    /// If the map is not that of a value of this shape.
    pub fn of_laid_out(map: Map, layout: Layout, shape: Shape, kernels: KernelSet) -> Result<Self> {
        match layout {
            Layout::ChannelsFirst => Ok(Self::of_map(map, kernels)),
            Layout::ChannelsLast => {
                let [n, _, t, _] = rows_of(&shape);
                Self::of_rows(map.with_pixels([n, t, 1])?, shape, kernels)
            }
        }
    }

    /// A map `[N, C, H, W]` as the value `[N, H, W, C]`: it lies so in memory already.
    ///
    /// # Errors
    /// If it has another rank than 4.
    pub fn channels_last(self) -> Result<Self> {
        let kernels = self.kernels;
        let map = self.into_map()?;
        let [n, c, h, w] = map.shape();
        Ok(Self { storage: Storage::Rows(map.with_pixels([n, h * w, 1])?, vec![n, h, w, c]), kernels })
    }

    /// A value `[N, H, W, C]` as a map `[N, C, H, W]`, the way back from [`Value::channels_last`].
    ///
    /// # Errors
    /// If it has another rank than 4.
    pub fn channels_first(self) -> Result<Self> {
        let [n, h, w, _] = self.shape()[..] else { bail!("a value of shape {:?} is no map", self.shape()) };
        let kernels = self.kernels;
        Ok(Self { storage: Storage::Map(self.into_rows()?.with_pixels([n, h, w])?), kernels })
    }

    /// The value as layers are tapped: of rank 4 itself, of any other rank its rows.
    pub(super) fn to_maps(&self) -> Result<Map> {
        if self.shape().len() == 4 { self.map() } else { self.clone().into_rows() }
    }

    /// The value as a contiguous tensor of its logical shape.
    ///
    /// # Errors
    /// If candle cannot allocate it.
    pub fn to_tensor(&self) -> Result<Tensor> {
        match &self.storage {
            Storage::Map(map) => map.to_tensor(),
            Storage::Rows(map, shape) => map.to_channels_last()?.reshape(shape.as_slice()),
            Storage::Tensor(tensor) => tensor.contiguous(),
        }
    }

    /// The same numbers, in reading order, in another shape.
    ///
    /// # Errors
    /// If the shape holds another number of values.
    pub fn reshaped(self, shape: &[usize]) -> Result<Self> {
        if self.shape() == shape {
            return Ok(self);
        }
        match self.storage {
            // Rows stay what they are as long as their ends do.
            Storage::Rows(map, _) if map.shape() == rows_of(shape) => {
                Ok(Self { storage: Storage::Rows(map, shape.to_vec()), kernels: self.kernels })
            }
            _ => Ok(self.with(self.to_tensor()?.reshape(shape)?)),
        }
    }

    /// A function of every value alone, on whichever map is at hand.
    ///
    /// # Errors
    /// Those of `function`.
    pub fn pointwise(self, function: impl FnOnce(Map) -> Result<Map>) -> Result<Self> {
        let kernels = self.kernels;
        let storage = match self.storage {
            Storage::Map(map) => Storage::Map(function(map)?),
            _ => {
                let shape = self.shape();
                Storage::Rows(function(self.into_rows()?)?, shape)
            }
        };
        Ok(Self { storage, kernels })
    }

    /// A function of every two values alone, `other` of this one's shape, on whichever map this one has at hand.
    ///
    /// # Errors
    /// Those of `function`; if the shapes differ.
    pub fn pointwise_with(self, other: &Self, function: impl FnOnce(Map, &Map) -> Result<Map>) -> Result<Self> {
        let (shape, theirs) = (self.shape(), other.shape());
        if shape != theirs {
            bail!("values of shape {shape:?} and {theirs:?} do not fit each other");
        }
        let kernels = self.kernels;
        let storage = match (self.storage, &other.storage) {
            (Storage::Map(map), Storage::Map(other)) => Storage::Map(function(map, other)?),
            (Storage::Map(map), _) => Storage::Map(function(map, &other.map()?)?),
            (Storage::Rows(rows, shape), Storage::Rows(other, _)) => Storage::Rows(function(rows, other)?, shape),
            (storage, Storage::Map(other)) => Storage::Map(function(Self { storage, kernels }.into_map()?, other)?),
            (storage, _) => {
                let rows = Self { storage, kernels }.into_rows()?;
                Storage::Rows(function(rows, &other.clone().into_rows()?)?, shape)
            }
        };
        Ok(Self { storage, kernels })
    }

    /// Adds another gradient of the same shape to this one.
    ///
    /// # Errors
    /// If the two differ in shape.
    pub fn accumulate(self, other: &Self) -> Result<Self> {
        match (&self.storage, &other.storage) {
            (Storage::Tensor(sum), Storage::Tensor(more)) => Ok(self.with((sum + more)?)),
            _ => self.pointwise_with(other, Map::accumulate),
        }
    }

    /// Kept as a map, so that [`Value::as_map`] has it: of rank 4 `[N, C, H, W]`, of any other rank its rows.
    pub(super) fn settled(self) -> Result<Self> {
        let kernels = self.kernels;
        let shape = self.shape();
        let storage = match self.storage {
            Storage::Map(map) => Storage::Map(map),
            _ if shape.len() == 4 => Storage::Map(self.into_map()?),
            _ => Storage::Rows(self.into_rows()?, shape),
        };
        Ok(Self { storage, kernels })
    }
}

/// Which axes of a value are N, C, H and W of the map that has its numbers in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Those of a value of rank 4, in this order.
    ChannelsFirst,
    /// The last ones, as far as there are, are H, W and C, in this order; what is left is N.
    ChannelsLast,
}

impl Layout {
    /// The map `[N, C, H, W]` of a value of this shape.
    ///
    /// # Errors
    /// If it has too many axes, or too few.
    pub fn map_shape(self, shape: &[usize]) -> Result<[usize; 4]> {
        match (self, shape) {
            (Self::ChannelsFirst, &[n, c, h, w]) | (Self::ChannelsLast, &[n, h, w, c]) => Ok([n, c, h, w]),
            (Self::ChannelsLast, &[h, w, c]) => Ok([1, c, h, w]),
            (Self::ChannelsLast, &[w, c]) => Ok([1, c, 1, w]),
            (Self::ChannelsLast, &[c]) => Ok([1, c, 1, 1]),
            (Self::ChannelsLast, []) => Ok([1, 1, 1, 1]),
            _ => bail!("a value of shape {shape:?} does not lie in memory as a map does"),
        }
    }

    /// Which of N, C, H and W some axes of a value of this rank are, at most four.
    #[must_use]
    pub fn places(self, rank: usize, axes: &[usize]) -> Axes {
        let mut flags = [false; 4];
        axes.iter().for_each(|&axis| flags[self.place(rank, axis)] = true);
        let [batch, channels, rows, columns] = flags;
        Axes { batch, channels, rows, columns }
    }

    /// Which of N, C, H and W an axis of a value of this rank is.
    #[must_use]
    pub fn place(self, rank: usize, axis: usize) -> usize {
        match self {
            Self::ChannelsFirst => axis,
            Self::ChannelsLast => [0, 2, 3, 1][(axis + 4 - rank) % 4],
        }
    }
}

/// The map `[N, C, T, 1]` of a value's rows: its last axis the channels, its first the pictures, all between the height.
pub(super) fn rows_of(shape: &[usize]) -> [usize; 4] {
    match shape {
        [] => [1, 1, 1, 1],
        [c] => [1, *c, 1, 1],
        [n, between @ .., c] => [*n, *c, between.iter().product(), 1],
    }
}
