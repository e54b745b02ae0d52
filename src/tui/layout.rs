//! What stands where, from 80×24 (and a little less) to as large as terminals get.

use ratatui::layout::{Constraint, Layout, Rect};

/// The smallest screen that holds a picture, the classes and the keys.
pub(super) const SMALLEST: (u16, u16) = (60, 18);

/// A screen this wide has room for two pictures beside each other.
pub(super) const WIDE: u16 = 110;

/// A pane's place on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Header,
    Input,
    /// Under the photo: another picture of the run.
    Second,
    Result,
    Curves,
    Top,
    Techniques,
    Parameters,
    Status,
}

/// What the present technique has to show.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wants {
    /// It works on a photo.
    pub input: bool,
    /// It has a second picture, under the photo.
    pub second: bool,
    /// It has curves.
    pub curves: bool,
    /// Lines of the technique list.
    pub techniques: u16,
    /// Lines of the parameter list.
    pub parameters: u16,
    /// Lines at the foot of the screen.
    pub status: u16,
}

/// Where each pane is; those that have no place are not drawn.
pub(super) struct Areas(Vec<(Place, Rect)>);

impl Areas {
    pub fn get(&self, place: Place) -> Option<Rect> {
        self.0.iter().find(|(p, _)| *p == place).map(|(_, rect)| *rect)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (Place, Rect)> + '_ {
        self.0.iter().copied()
    }

    /// Whether each picture has a pane of its own; otherwise they share the result's.
    pub fn is_wide(&self) -> bool {
        self.get(Place::Techniques).is_some() || self.get(Place::Input).is_some()
    }
}

/// The areas of a screen, or `None` if it is too small.
pub(super) fn areas(screen: Rect, wants: Wants) -> Option<Areas> {
    if screen.width < SMALLEST.0 || screen.height < SMALLEST.1 {
        return None;
    }
    let [header, body, status] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(wants.status)])
            .areas(screen);
    let mut areas = vec![(Place::Header, header), (Place::Status, status)];
    let wide = screen.width >= WIDE && screen.height >= 28;
    let side = if wide { (screen.width / 4).clamp(34, 52) } else { (screen.width * 2 / 5).clamp(24, 36) };
    let [main, side] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(side)]).areas(body);
    let curve_rows = if !wants.curves {
        0
    } else if wide {
        (main.height * 3 / 10).clamp(9, 18)
    } else {
        (main.height / 3).clamp(6, 9)
    };
    let [pictures, curves] = Layout::vertical([Constraint::Fill(1), Constraint::Length(curve_rows)]).areas(main);
    if wants.curves {
        areas.push((Place::Curves, curves));
    }
    if wide && (wants.input || wants.second) {
        let share = if wants.second { 36 } else { 32 };
        let [left, result] = Layout::horizontal([Constraint::Percentage(share), Constraint::Fill(1)]).areas(pictures);
        areas.push((Place::Result, result));
        if wants.input && wants.second {
            let [input, second] = Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]).areas(left);
            areas.extend([(Place::Input, input), (Place::Second, second)]);
        } else {
            areas.push((if wants.input { Place::Input } else { Place::Second }, left));
        }
    } else {
        areas.push((Place::Result, pictures));
    }
    // Five classes and a border; the list of techniques only where the parameters keep enough room.
    let least = (wants.parameters + 3).max(5);
    let list = (wants.techniques + 2).min(side.height.saturating_sub(7 + least));
    let list = if wide && list >= 5 { list } else { 0 };
    let [top, techniques, parameters] =
        Layout::vertical([Constraint::Length(7), Constraint::Length(list), Constraint::Fill(1)]).areas(side);
    areas.extend([(Place::Top, top), (Place::Parameters, parameters)]);
    if list > 0 {
        areas.push((Place::Techniques, techniques));
    }
    Some(Areas(areas))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panes_never_overlap_and_stay_on_the_screen() {
        for (width, height) in [(60, 18), (80, 24), (109, 60), (110, 28), (160, 50), (250, 70), (500, 200)] {
            for flags in 0..8u8 {
                let [input, second, curves] = [1, 2, 4].map(|flag| flags & flag > 0);
                let wants =
                    Wants { input, second, curves, techniques: 5, parameters: 8, status: 1 + u16::from(flags % 3) };
                let screen = Rect::new(0, 0, width, height);
                let areas = areas(screen, wants).expect("large enough");
                for (i, (place, a)) in areas.0.iter().enumerate() {
                    assert!(screen.intersection(*a) == *a && !a.is_empty(), "{place:?} {a:?} on {screen:?}");
                    assert!(areas.0[i + 1..].iter().all(|(_, b)| !a.intersects(*b)), "{place:?} on {screen:?}");
                }
                assert!(areas.get(Place::Result).is_some_and(|r| r.height >= 6 && r.width >= 20));
            }
        }
        let wants = Wants { input: true, second: true, curves: true, techniques: 5, parameters: 8, status: 1 };
        assert!(areas(Rect::new(0, 0, 59, 18), wants).is_none());
    }
}
