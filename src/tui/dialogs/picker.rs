//! A fuzzy search over a list: classes, layers, techniques, or several of them.

use super::dialog::{Dialog, Outcome, boxed, edit, scroll};
use crate::tui::action::Action;
use crate::tui::text::{cut, printable};
use crate::tui::theme::Theme;
use crossterm::event::{KeyCode, KeyEvent};
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{List, ListState, Paragraph};
use tui_input::Input;

pub(in crate::tui) struct Picker {
    title: String,
    items: Vec<String>,
    /// Whether an item may be asked for by its number, which is then shown.
    numbered: bool,
    choose: Choose,
    input: Input,
    found: Vec<usize>,
    state: ListState,
    matcher: Matcher,
}

enum Choose {
    One(Box<dyn Fn(usize) -> Action + Send>),
    /// Between so many and so many, in the order in which they were marked.
    Several {
        least: usize,
        most: usize,
        marked: Vec<usize>,
        action: Several,
    },
}

type Several = Box<dyn Fn(&[usize]) -> Action + Send>;

impl Picker {
    pub fn one(
        title: impl Into<String>,
        items: Vec<String>,
        present: usize,
        action: impl Fn(usize) -> Action + Send + 'static,
    ) -> Self {
        Self::new(title.into(), items, present, Choose::One(Box::new(action)))
    }

    /// A choice of `least` to `most` items.
    pub fn several(
        title: impl Into<String>,
        items: Vec<String>,
        (least, most): (usize, usize),
        action: impl Fn(&[usize]) -> Action + Send + 'static,
    ) -> Self {
        Self::new(title.into(), items, 0, Choose::Several { least, most, marked: vec![], action: Box::new(action) })
    }

    /// Items may be asked for by number.
    pub fn numbered(self) -> Self {
        Self { numbered: true, ..self }
    }

    fn new(title: String, items: Vec<String>, present: usize, choose: Choose) -> Self {
        let found = (0..items.len()).collect();
        let state = ListState::default().with_selected(Some(present));
        let matcher = Matcher::new(Config::DEFAULT);
        Self { title, items, numbered: false, choose, input: Input::default(), found, state, matcher }
    }

    fn search(&mut self) {
        let query = self.input.value().trim();
        let pattern = Pattern::parse(query, CaseMatching::Ignore, Normalization::Smart);
        let mut buffer = vec![];
        let score = |(i, item): (usize, &String)| {
            let score = pattern.score(Utf32Str::new(item, &mut buffer), &mut self.matcher)?;
            Some((score, i))
        };
        let mut scored: Vec<(u32, usize)> = self.items.iter().enumerate().filter_map(score).collect();
        scored.sort_by_key(|&(score, i)| (std::cmp::Reverse(score), self.items[i].len(), i));
        self.found = scored.into_iter().map(|(_, i)| i).collect();
        if let (true, Ok(number)) = (self.numbered, query.parse::<usize>()) {
            // Numbers mean items by their place, and those that are called so.
            self.found.retain(|i| *i != number && self.items[*i].trim() == query);
            self.found.extend((number < self.items.len()).then_some(number));
        }
        self.state.select(Some(0));
    }

    fn selected(&self) -> Option<usize> {
        self.state.selected().and_then(|at| self.found.get(at)).copied()
    }

    fn enter(&self) -> Outcome {
        match &self.choose {
            Choose::One(action) => self.selected().map_or(Outcome::Stay, |i| Outcome::Choose(action(i))),
            Choose::Several { least, marked, action, .. } if marked.len() >= *least => {
                Outcome::Choose(action(marked))
            }
            Choose::Several { .. } => Outcome::Stay,
        }
    }

    /// Marks what is selected, or takes the mark away.
    fn mark(&mut self) {
        let Some(selected) = self.selected() else { return };
        if let Choose::Several { most, marked, .. } = &mut self.choose {
            if let Some(at) = marked.iter().position(|m| *m == selected) {
                marked.remove(at);
            } else if marked.len() < *most {
                marked.push(selected);
            }
        }
    }
}

impl Dialog for Picker {
    fn on_key(&mut self, key: &KeyEvent) -> Outcome {
        match key.code {
            KeyCode::Esc => return Outcome::Close,
            KeyCode::Enter => return self.enter(),
            KeyCode::Tab => {
                self.mark();
                return Outcome::Stay;
            }
            _ => {}
        }
        if !scroll(key, &mut self.state, self.found.len())
            && let Some(request) = edit(key)
            && self.input.handle(request).is_some_and(|change| change.value)
        {
            self.search();
        }
        Outcome::Stay
    }

    fn render(&mut self, frame: &mut Frame<'_>, area: Rect, theme: Theme) {
        let keys = match &self.choose {
            Choose::One(_) => "type to search, enter chooses, esc leaves it".to_owned(),
            Choose::Several { least, most, marked, .. } => {
                format!("{} of {least} to {most}; tab marks, enter goes", marked.len())
            }
        };
        let inside = boxed(frame, area, theme, &format!("{}: {keys}", self.title), (64, 24));
        let [search, list] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(inside);
        let line = Line::from(vec![Span::styled("search ", theme.dim()), Span::raw(self.input.value())]);
        frame.render_widget(Paragraph::new(line), search);
        let column = search.x + 7 + self.input.visual_cursor() as u16;
        frame.set_cursor_position((column.min(search.right().saturating_sub(1)), search.y));
        if self.found.is_empty() {
            frame.render_widget(Paragraph::new("nothing contains this").style(theme.dim()), list);
            return;
        }
        let line = |&i: &usize| {
            let number = if self.numbered { format!("{i:>4}  ") } else { String::new() };
            let mark = match &self.choose {
                Choose::Several { marked, .. } if marked.contains(&i) => "[x] ",
                Choose::Several { .. } => "[ ] ",
                Choose::One(_) => "",
            };
            let item = format!("{mark}{number}{}", printable(&self.items[i]));
            Line::raw(cut(&item, usize::from(list.width).saturating_sub(2)))
        };
        let lines: Vec<Line<'_>> = self.found.iter().map(line).collect();
        let widget = List::new(lines).highlight_symbol("▸ ").highlight_style(theme.accent());
        frame.render_stateful_widget(widget, list, &mut self.state);
    }
}
