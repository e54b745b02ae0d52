//! Choosing a picture: the samples inside the program, and the files around.

use super::dialog::{Dialog, Outcome, boxed, edit, scroll};
use crate::engine::Source;
use crate::imaging::names_a_picture;
use crate::imaging::samples::{PAINTINGS, PHOTOS, Sample};
use crate::tui::action::Action;
use crate::tui::text::printable;
use crate::tui::theme::Theme;
use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{List, ListState, Paragraph};
use std::path::{Path, PathBuf};
use tui_input::Input;

pub(in crate::tui) struct FilePicker {
    title: &'static str,
    choose: fn(Source) -> Action,
    samples: &'static [Sample],
    folder: PathBuf,
    input: Input,
    items: Vec<Item>,
    state: ListState,
}

enum Item {
    Sample(&'static str),
    Folder(PathBuf),
    File(PathBuf),
}

impl FilePicker {
    pub fn photos(present: Option<&Source>) -> Self {
        Self::new("photo", PHOTOS, present, Action::SetPicture)
    }

    pub fn styles(present: Option<&Source>) -> Self {
        Self::new("style picture", PAINTINGS, present, Action::SetStyle)
    }

    fn new(
        title: &'static str,
        samples: &'static [Sample],
        present: Option<&Source>,
        choose: fn(Source) -> Action,
    ) -> Self {
        let beside = match present {
            Some(Source::File(path)) => path.parent().filter(|p| !p.as_os_str().is_empty()),
            _ => None,
        };
        let folder = beside.unwrap_or(Path::new("."));
        let folder = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        let state = ListState::default().with_selected(Some(0));
        let mut picker = Self { title, choose, samples, folder, input: Input::default(), items: vec![], state };
        picker.list();
        picker
    }

    /// What there is under the present folder and search text.
    fn list(&mut self) {
        let query = self.input.value().trim().to_lowercase();
        let fits = |name: &str| !name.starts_with('.') && name.to_lowercase().contains(&query);
        let (mut folders, mut files) = (vec![], vec![]);
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() && fits(&name) {
                folders.push(path);
            } else if names_a_picture(&path) && fits(&name) {
                files.push(path);
            }
        }
        folders.sort();
        files.sort();
        let samples = self.samples.iter().filter(|s| fits(s.name)).map(|s| Item::Sample(s.name));
        self.items = samples.chain(files.into_iter().map(Item::File)).collect();
        self.items.extend(self.folder.parent().filter(|_| query.is_empty()).map(|p| Item::Folder(p.into())));
        self.items.extend(folders.into_iter().map(Item::Folder));
        self.state.select(Some(0));
    }

    fn enter(&mut self) -> Outcome {
        let typed = PathBuf::from(self.input.value().trim());
        if typed.is_file() {
            return Outcome::Choose((self.choose)(Source::File(typed)));
        }
        if typed.components().count() > 0 && typed.is_dir() {
            return self.open(typed);
        }
        match self.state.selected().and_then(|at| self.items.get(at)) {
            Some(Item::Sample(name)) => Outcome::Choose((self.choose)(Source::Sample((*name).to_owned()))),
            Some(Item::File(path)) => Outcome::Choose((self.choose)(Source::File(path.clone()))),
            Some(Item::Folder(path)) => {
                let path = path.clone();
                self.open(path)
            }
            None => Outcome::Stay,
        }
    }

    fn open(&mut self, folder: PathBuf) -> Outcome {
        self.folder = folder;
        self.input = Input::default();
        self.list();
        Outcome::Stay
    }
}

impl Dialog for FilePicker {
    fn on_key(&mut self, key: &KeyEvent) -> Outcome {
        match key.code {
            KeyCode::Esc => return Outcome::Close,
            KeyCode::Enter => return self.enter(),
            _ => {}
        }
        if !scroll(key, &mut self.state, self.items.len())
            && let Some(request) = edit(key)
            && self.input.handle(request).is_some_and(|change| change.value)
        {
            self.list();
        }
        Outcome::Stay
    }

    fn render(&mut self, frame: &mut Frame<'_>, area: Rect, theme: Theme) {
        let title = format!("{}: type a name or a path, enter chooses, esc leaves it", self.title);
        let inside = boxed(frame, area, theme, &title, (76, 24));
        let [place, search, list] =
            Layout::vertical([Constraint::Length(1), Constraint::Length(1), Constraint::Fill(1)]).areas(inside);
        let folder = printable(&self.folder.display().to_string());
        frame.render_widget(Paragraph::new(folder).style(theme.dim()), place);
        let line = Line::from(vec![Span::styled("name ", theme.dim()), Span::raw(printable(self.input.value()))]);
        frame.render_widget(Paragraph::new(line), search);
        let column = search.x + 5 + self.input.visual_cursor() as u16;
        frame.set_cursor_position((column.min(search.right().saturating_sub(1)), search.y));
        if self.items.is_empty() {
            frame.render_widget(Paragraph::new("no picture here").style(theme.dim()), list);
            return;
        }
        let parent = self.folder.parent();
        let lines = self.items.iter().map(|item| match item {
            Item::Sample(name) => Line::raw(format!("{name} (built in)")),
            Item::Folder(path) if Some(path.as_path()) == parent => Line::raw("../"),
            Item::Folder(path) => Line::styled(format!("{}/", name(path)), theme.accent()),
            Item::File(path) => Line::raw(name(path)),
        });
        let widget = List::new(lines).highlight_symbol("▸ ").highlight_style(theme.accent());
        frame.render_stateful_widget(widget, list, &mut self.state);
    }
}

fn name(path: &Path) -> String {
    path.file_name().map(|n| printable(&n.to_string_lossy())).unwrap_or_default()
}
