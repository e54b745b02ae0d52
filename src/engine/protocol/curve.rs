//! Curves: they only ever grow, and whoever has a copy shares what it has in common with the others.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;

/// Points that are shared at once: a copy copies fewer than these.
const SEGMENT: usize = 256;

/// A step and the value of a figure there.
pub type CurvePoint = (usize, f64);

/// A named curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The figure's name: loss, content, score, p_target, …; see [`crate::techniques::figure`].
    pub name: String,
    /// Step and value of each point.
    pub points: Points,
}

/// Points of a curve in the order of their steps. A copy shares all but the last few with the original. As JSON they are
/// one list.
#[derive(Debug, Clone, Default)]
pub struct Points {
    full: Vec<Arc<[CurvePoint]>>,
    rest: Vec<CurvePoint>,
}

impl Points {
    /// Adds a point.
    pub fn push(&mut self, point: CurvePoint) {
        self.rest.push(point);
        if self.rest.len() == SEGMENT {
            self.full.push(std::mem::take(&mut self.rest).into());
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.full.len() * SEGMENT + self.rest.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The newest.
    #[must_use]
    pub fn last(&self) -> Option<&CurvePoint> {
        self.rest.last().or_else(|| self.full.last()?.last())
    }

    /// The point at a place.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&CurvePoint> {
        let segment = self.full.get(at / SEGMENT).map_or(self.rest.as_slice(), |segment| segment);
        if at / SEGMENT > self.full.len() { None } else { segment.get(at % SEGMENT) }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &CurvePoint> {
        self.full.iter().flat_map(|segment| segment.iter()).chain(&self.rest)
    }

    /// Those from a place on.
    #[must_use]
    pub fn since(&self, at: usize) -> Self {
        self.iter().skip(at).copied().collect()
    }

    /// The same up to a step.
    #[must_use]
    pub fn up_to(&self, step: usize) -> Self {
        self.iter().take_while(|(at, _)| *at <= step).copied().collect()
    }
}

impl std::ops::Index<usize> for Points {
    type Output = CurvePoint;

    fn index(&self, at: usize) -> &CurvePoint {
        let count = self.len();
        self.get(at).unwrap_or_else(|| panic!("point {at} of {count}"))
    }
}

impl PartialEq for Points {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Extend<CurvePoint> for Points {
    fn extend<T: IntoIterator<Item = CurvePoint>>(&mut self, points: T) {
        points.into_iter().for_each(|point| self.push(point));
    }
}

impl FromIterator<CurvePoint> for Points {
    fn from_iter<T: IntoIterator<Item = CurvePoint>>(points: T) -> Self {
        let mut all = Self::default();
        all.extend(points);
        all
    }
}

impl From<Vec<CurvePoint>> for Points {
    fn from(points: Vec<CurvePoint>) -> Self {
        points.into_iter().collect()
    }
}

impl Serialize for Points {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<CurvePoint>::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_share_and_grow_apart() {
        let mut points: Points = (0..SEGMENT * 2 + 3).map(|n| (n, n as f64)).collect();
        let copy = points.clone();
        assert!(copy.full.iter().zip(&points.full).all(|(a, b)| Arc::ptr_eq(a, b)));
        points.push((9000, 0.5));
        assert_eq!((copy.len(), points.len()), (SEGMENT * 2 + 3, SEGMENT * 2 + 4));
        assert_eq!((points.last(), points.get(SEGMENT)), (Some(&(9000, 0.5)), Some(&(SEGMENT, SEGMENT as f64))));
        assert_eq!((points.get(points.len()), points.get(99_999)), (None, None));
        assert!(copy != points && points.up_to(8999) == copy);
        assert_eq!(points.since(SEGMENT * 2 + 3), vec![(9000, 0.5)].into());
        let whole: Points = (0..SEGMENT).map(|n| (n, 0.0)).collect();
        assert_eq!(whole.last(), Some(&(SEGMENT - 1, 0.0)));
    }

    #[test]
    fn they_are_a_list_in_json() {
        let points: Points = vec![(0, 0.1), (1, 1e-300)].into();
        let text = serde_json::to_string(&points).expect("JSON");
        assert_eq!(text, "[[0,0.1],[1,1e-300]]");
        assert_eq!(serde_json::from_str::<Points>(&text).expect("points"), points);
    }
}
