//! A line to type a parameter's value in, checked as it is typed.

use super::dialog::{Dialog, Outcome, boxed};
use crate::techniques::ParamSpec;
use crate::tui::action::Action;
use crate::tui::text::printable;
use crate::tui::theme::Theme;
use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};
use tui_input::{Input, InputRequest};

pub(in crate::tui) struct ValueEditor {
    spec: ParamSpec,
    input: Input,
    /// Whether the old value is still there, to be replaced by the first character typed.
    untouched: bool,
    fault: Option<String>,
}

impl ValueEditor {
    pub fn new(spec: &ParamSpec, value: String) -> Self {
        Self { spec: *spec, input: Input::new(value), untouched: true, fault: None }
    }

    fn edit(&mut self, request: InputRequest) {
        self.untouched = false;
        self.input.handle(request);
        self.fault = self.spec.parse(self.input.value()).err().map(|e| e.to_string());
    }
}

impl Dialog for ValueEditor {
    fn on_key(&mut self, key: &KeyEvent) -> Outcome {
        match key.code {
            KeyCode::Esc => return Outcome::Close,
            KeyCode::Enter => match self.spec.parse(self.input.value()) {
                Ok(value) => return Outcome::Choose(Action::SetValue(self.spec.name, value)),
                Err(error) => self.fault = Some(error.to_string()),
            },
            KeyCode::Char(c) => {
                if self.untouched {
                    self.input.reset();
                }
                self.edit(InputRequest::InsertChar(c));
            }
            KeyCode::Backspace => self.edit(InputRequest::DeletePrevChar),
            KeyCode::Delete => self.edit(InputRequest::DeleteNextChar),
            KeyCode::Left => self.edit(InputRequest::GoToPrevChar),
            KeyCode::Right => self.edit(InputRequest::GoToNextChar),
            KeyCode::Home => self.edit(InputRequest::GoToStart),
            KeyCode::End => self.edit(InputRequest::GoToEnd),
            _ => {}
        }
        Outcome::Stay
    }

    fn render(&mut self, frame: &mut Frame<'_>, area: Rect, theme: Theme) {
        let inside = boxed(frame, area, theme, &self.spec.name.replace('_', " "), (64, 8));
        let [line, help] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).spacing(1).areas(inside);
        let style = if self.fault.is_some() { theme.bad() } else { theme.strong() };
        let unit = Span::styled(format!(" {}", self.spec.unit), theme.dim());
        let value = Span::styled(format!("> {}", printable(self.input.value())), style);
        frame.render_widget(Paragraph::new(Line::from(vec![value, unit])), line);
        let cursor = line.x + 2 + u16::try_from(self.input.visual_cursor()).unwrap_or(0);
        frame.set_cursor_position((cursor.min(line.right().saturating_sub(1)), line.y));
        let text = match &self.fault {
            Some(fault) => printable(fault),
            None => format!("{}; {}", self.spec.help, self.spec.range()),
        };
        let style = if self.fault.is_some() { theme.bad() } else { theme.dim() };
        frame.render_widget(Paragraph::new(text).style(style).wrap(Wrap { trim: true }), help);
    }
}
