//! Keys as data: the dispatch, the help dialog and the status line all read this table.

use super::action::Action;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key, or several for the same action, with what they do.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// The keys as shown.
    pub keys: &'static str,
    /// One or two words for the status line.
    pub short: &'static str,
    /// A line for the help.
    pub help: &'static str,
    /// When they do something.
    pub when: When,
    /// Whether the status line has room for it, whatever else there is.
    pub always_shown: bool,
    /// What they do.
    codes: &'static [(KeyCode, Action)],
}

/// What has to be so for a key to do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Nothing.
    Always,
    /// Steps may still come.
    Alive,
    /// The run has steps to go back to.
    History,
    /// The technique looks at a layer.
    Layer,
    /// The technique is about a class.
    Class,
    /// The technique takes a style picture.
    Style,
    /// The technique is an attribution method.
    Attribution,
    /// The technique has parameters.
    Parameters,
    /// There is a map.
    Map,
}

const fn binding(
    keys: &'static str,
    short: &'static str,
    help: &'static str,
    codes: &'static [(KeyCode, Action)],
) -> Binding {
    Binding { keys, short, help, when: When::Always, always_shown: false, codes }
}

impl Binding {
    const fn when(self, when: When) -> Self {
        Self { when, ..self }
    }

    const fn always_shown(self) -> Self {
        Self { always_shown: true, ..self }
    }

    /// Whether one of its keys does that.
    #[must_use]
    pub fn does(&self, action: &Action) -> bool {
        self.codes.iter().any(|(_, own)| own == action)
    }
}

/// Every key, in the order of the help and the status line.
pub const BINDINGS: &[Binding] = &[
    binding(
        "←→",
        "technique",
        "previous or next technique (also p and n)",
        &[
            (KeyCode::Left, Action::PreviousTechnique),
            (KeyCode::Right, Action::NextTechnique),
            (KeyCode::Char('p'), Action::PreviousTechnique),
            (KeyCode::Char('n'), Action::NextTechnique),
        ],
    ),
    binding(
        "1-9",
        "",
        "the technique with that number",
        &[
            (KeyCode::Char('1'), Action::Technique(0)),
            (KeyCode::Char('2'), Action::Technique(1)),
            (KeyCode::Char('3'), Action::Technique(2)),
            (KeyCode::Char('4'), Action::Technique(3)),
            (KeyCode::Char('5'), Action::Technique(4)),
            (KeyCode::Char('6'), Action::Technique(5)),
            (KeyCode::Char('7'), Action::Technique(6)),
            (KeyCode::Char('8'), Action::Technique(7)),
            (KeyCode::Char('9'), Action::Technique(8)),
        ],
    ),
    binding("space", "pause", "pause the run, or go on", &[(KeyCode::Char(' '), Action::TogglePause)])
        .when(When::Alive),
    binding(".", "step", "one step of a paused run", &[(KeyCode::Char('.'), Action::Step)]).when(When::Alive),
    binding("x", "stop", "end the run and keep what it has", &[(KeyCode::Char('x'), Action::Stop)]).when(When::Alive),
    binding("r", "restart", "start the run from its beginning", &[(KeyCode::Char('r'), Action::Restart)]),
    binding(
        "[ ]",
        "history",
        "look at earlier or later steps; { and } go ten at a time",
        &[
            (KeyCode::Char('['), Action::Scrub(-1)),
            (KeyCode::Char(']'), Action::Scrub(1)),
            (KeyCode::Char('{'), Action::Scrub(-10)),
            (KeyCode::Char('}'), Action::Scrub(10)),
        ],
    )
    .when(When::History),
    binding("b", "branch", "a new run from the step that is looked at", &[(KeyCode::Char('b'), Action::Branch)])
        .when(When::History),
    binding(
        "d",
        "",
        "compare with an earlier run, pictures side by side and curves together",
        &[(KeyCode::Char('d'), Action::PickReference)],
    ),
    binding("c", "class", "choose the class, or the target of an attack", &[(KeyCode::Char('c'), Action::PickClass)])
        .when(When::Class),
    binding("u", "", "no target: any class but the photo's own", &[(KeyCode::Char('u'), Action::ClearTarget)]),
    binding("l", "layer", "choose the layer", &[(KeyCode::Char('l'), Action::PickLayer)]).when(When::Layer),
    binding(
        "g",
        "grid",
        "compare methods, classes or layers side by side; again for one map",
        &[(KeyCode::Char('g'), Action::PickComparison)],
    )
    .when(When::Attribution),
    binding("e", "evaluate", "score the map that is shown", &[(KeyCode::Char('e'), Action::Score)])
        .when(When::Attribution),
    binding("/", "", "search the techniques", &[(KeyCode::Char('/'), Action::PickTechnique)]),
    binding("o", "picture", "choose the photo", &[(KeyCode::Char('o'), Action::PickPicture)]),
    binding("y", "style", "choose the style picture", &[(KeyCode::Char('y'), Action::PickStyle)]).when(When::Style),
    binding(
        "↑↓",
        "select",
        "select a parameter or a technique",
        &[(KeyCode::Up, Action::Up), (KeyCode::Down, Action::Down)],
    )
    .when(When::Parameters),
    binding(
        "+-",
        "change",
        "change the selected parameter, also while it runs",
        &[
            (KeyCode::Char('+'), Action::Increase),
            (KeyCode::Char('='), Action::Increase),
            (KeyCode::Char('-'), Action::Decrease),
        ],
    )
    .when(When::Parameters),
    binding(
        "M I",
        "model",
        "choose the model (built in, added, a file); what is known and assumed of it",
        &[(KeyCode::Char('M'), Action::PickModel), (KeyCode::Char('I'), Action::ShowModel)],
    ),
    binding("enter", "", "type the selected parameter's value", &[(KeyCode::Enter, Action::TypeValue)]),
    binding("a", "", "save with an animation of the run", &[(KeyCode::Char('a'), Action::Record)]),
    binding(
        "s",
        "save",
        "write pictures, maps, curves and run.json to a folder",
        &[(KeyCode::Char('s'), Action::Save)],
    ),
    binding(
        "tab",
        "focus",
        "hand the arrow keys to the next pane; on small screens, show another picture",
        &[(KeyCode::Tab, Action::NextFocus)],
    ),
    binding("v", "view", "photo with map, map alone, photo alone", &[(KeyCode::Char('v'), Action::NextView)])
        .when(When::Map),
    binding("m", "", "next colour map", &[(KeyCode::Char('m'), Action::NextColorMap)]),
    binding(
        "< >",
        "",
        "less or more of the map over the photo",
        &[(KeyCode::Char('<'), Action::LessOverlay), (KeyCode::Char('>'), Action::MoreOverlay)],
    ),
    binding(
        "k t i",
        "",
        "clip outliers (1, 2, 5, 0 %); mask below a threshold; contour lines",
        &[
            (KeyCode::Char('k'), Action::NextClip),
            (KeyCode::Char('t'), Action::NextThreshold),
            (KeyCode::Char('i'), Action::ToggleContour),
        ],
    ),
    binding(
        "D",
        "detach",
        "leave the run to itself; `gradlens attach` shows it again",
        &[(KeyCode::Char('D'), Action::Leave)],
    ),
    binding(
        "z Z",
        "zoom",
        "closer or further away, as the wheel does; H J K L or the mouse move",
        &[
            (KeyCode::Char('z'), Action::Zoom(true)),
            (KeyCode::Char('Z'), Action::Zoom(false)),
            (KeyCode::Char('H'), Action::Pan(-1, 0)),
            (KeyCode::Char('J'), Action::Pan(0, 1)),
            (KeyCode::Char('K'), Action::Pan(0, -1)),
            (KeyCode::Char('L'), Action::Pan(1, 0)),
        ],
    ),
    binding(
        "w",
        "",
        "photo (or other run) and result in one picture; ( ) or the mouse move the edge",
        &[
            (KeyCode::Char('w'), Action::ToggleSwipe),
            (KeyCode::Char('('), Action::MoveSwipe(-1)),
            (KeyCode::Char(')'), Action::MoveSwipe(1)),
        ],
    ),
    binding(
        "f",
        "",
        "on a slow line: sharp pictures, balanced, or many a second",
        &[(KeyCode::Char('f'), Action::NextPreference)],
    ),
    binding("?", "help", "this list", &[(KeyCode::Char('?'), Action::Help), (KeyCode::F(1), Action::Help)])
        .always_shown(),
    binding("esc", "", "close a dialog or a message", &[(KeyCode::Esc, Action::Dismiss)]),
    binding(
        "q",
        "quit",
        "end the run and leave (also ctrl-c); ctrl-z goes to the shell, fg comes back",
        &[(KeyCode::Char('q'), Action::Quit)],
    )
    .always_shown(),
];

/// What a key does when no dialog is open.
#[must_use]
pub fn action(key: &KeyEvent) -> Option<Action> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Action::Quit),
            KeyCode::Char('z') => Some(Action::Suspend),
            _ => None,
        };
    }
    let mut codes = BINDINGS.iter().flat_map(|b| b.codes);
    codes.find(|(code, _)| *code == key.code).map(|(_, action)| action.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_key_does_two_things() {
        let mut seen = HashSet::new();
        for (code, _) in BINDINGS.iter().flat_map(|b| b.codes) {
            assert!(seen.insert(*code), "{code:?} is bound twice");
        }
    }
}
