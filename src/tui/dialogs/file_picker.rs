//! Choosing a picture or a model: what is inside the program, and the files around.

use super::dialog::{Dialog, Outcome, boxed, edit, scroll};
use crate::engine::Source;
use crate::imaging::names_a_picture;
use crate::imaging::samples::{PAINTINGS, PHOTOS, Sample};
use crate::model::read::{is_file, is_path, seems_model};
use crate::model::{self, BUILT_IN, ModelRef};
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
    /// What is found nowhere is called.
    kind: &'static str,
    choose: fn(PathBuf) -> Action,
    /// Whether a file or folder is one to choose.
    fits: fn(&Path) -> bool,
    /// What there is without a file.
    known: Vec<Known>,
    folder: PathBuf,
    input: Input,
    items: Vec<Item>,
    state: ListState,
}

const BUILT_IN_SAID: &str = " (built in)";

/// Something that need not be looked for.
struct Known {
    name: String,
    /// What is said of it behind its name.
    said: &'static str,
    action: Action,
    /// The file that it is, if it is one.
    path: Option<PathBuf>,
    /// Whether it is the present one.
    present: bool,
}

impl Known {
    /// How well it goes with what is typed: what is only said of it counts less than what it is called.
    fn ranked(&self, named: &str) -> u8 {
        1 + u8::from(!self.name.to_lowercase().contains(named))
    }

    fn text(&self) -> String {
        format!("{}{}", self.name, self.said)
    }
}

enum Item {
    /// One of the known ones.
    Known(usize),
    Folder(PathBuf),
    File(PathBuf),
}

impl FilePicker {
    pub fn photos(present: Option<&Source>) -> Self {
        Self::pictures("photo", PHOTOS, present, Action::SetPicture, |path| Action::SetPicture(Source::File(path)))
    }

    pub fn styles(present: Option<&Source>) -> Self {
        Self::pictures("style picture", PAINTINGS, present, Action::SetStyle, |path| {
            Action::SetStyle(Source::File(path))
        })
    }

    /// The models that are built in, have been added or were read already, and the files of others.
    pub fn models(present: &ModelRef, read: &[ModelRef]) -> Self {
        let mut list: Vec<(ModelRef, &'static str)> = vec![];
        list.extend(BUILT_IN.iter().map(|entry| (ModelRef::named(entry.id), BUILT_IN_SAID)));
        // A list that cannot be read is told of where a name on it is asked for.
        let added = model::added().unwrap_or_default();
        list.extend(added.iter().map(|m| (ModelRef::named(&m.name), " (added)")));
        let read = read.iter().filter(|which| is_file(&which.name) || which.weights.is_some());
        list.extend(read.map(|which| (which.clone(), "")));
        let mut known: Vec<Known> = vec![];
        for (which, said) in list {
            let path = is_path(&which.name).then(|| std::fs::canonicalize(&which.name).ok()).flatten();
            if path.is_none() || known.iter().all(|other| other.path != path) {
                let present = which == *present;
                let name = which.name.clone();
                known.push(Known { name, said, action: Action::SetModel(Box::new(which)), path, present });
            }
        }
        let beside = is_path(&present.name).then(|| PathBuf::from(&present.name));
        let choose = |path: PathBuf| Action::SetModel(Box::new(ModelRef::named(&path.to_string_lossy())));
        Self::new("model", "model file", known, beside.as_deref(), choose, seems_model)
    }

    fn pictures(
        title: &'static str,
        samples: &[Sample],
        present: Option<&Source>,
        of_sample: fn(Source) -> Action,
        choose: fn(PathBuf) -> Action,
    ) -> Self {
        let known = |s: &Sample| {
            let source = Source::Sample(s.name.to_owned());
            let present = present == Some(&source);
            let name = s.name.to_owned();
            Known { name, said: BUILT_IN_SAID, action: of_sample(source), path: None, present }
        };
        let beside = if let Some(Source::File(path)) = present { Some(path.as_path()) } else { None };
        Self::new(title, "picture", samples.iter().map(known).collect(), beside, choose, names_a_picture)
    }

    fn new(
        title: &'static str,
        kind: &'static str,
        known: Vec<Known>,
        beside: Option<&Path>,
        choose: fn(PathBuf) -> Action,
        fits: fn(&Path) -> bool,
    ) -> Self {
        let folder = beside.and_then(Path::parent).filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        let state = ListState::default().with_selected(Some(0));
        let mut picker =
            Self { title, kind, choose, fits, known, folder, input: Input::default(), items: vec![], state };
        picker.list();
        picker.state.select(picker.known.iter().position(|known| known.present).or(Some(0)));
        picker
    }

    /// The folder that is looked into and the part of a name that is looked for there: a path may be typed.
    fn typed(&self) -> (PathBuf, String) {
        let text = self.input.value().trim();
        let Some((folder, name)) = text.rsplit_once('/') else { return (self.folder.clone(), text.to_owned()) };
        let home = || {
            Some((
                std::env::home_dir()?,
                folder.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'))?,
            ))
        };
        let folder = match home() {
            Some((home, inside)) => home.join(inside.trim_start_matches('/')),
            None => self.folder.join(format!("{folder}/")),
        };
        (folder, name.to_owned())
    }

    /// What there is in the folder that fits what was typed; what is called exactly so comes first, whatever it is.
    fn list(&mut self) {
        let (folder, part) = self.typed();
        let query = part.to_lowercase();
        let fits =
            |name: &str| (!name.starts_with('.') || query.starts_with('.')) && name.to_lowercase().contains(&query);
        let (mut folders, mut files) = (vec![], vec![]);
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            // The name first: to look at each of many files takes time.
            if !fits(&name) {
                continue;
            }
            if (self.fits)(&path) || (name == part && path.is_file()) {
                files.push(path);
            } else if path.is_dir() {
                folders.push(path);
            }
        }
        folders.sort();
        files.sort();
        let same = |path: &PathBuf| !self.known.iter().any(|known| known.path.as_ref() == Some(path));
        files.retain(same);
        let named = self.input.value().trim().to_lowercase();
        let known =
            (0..self.known.len()).filter(|i| self.known[*i].text().to_lowercase().contains(&named)).map(Item::Known);
        let mut items: Vec<Item> = known.chain(files.into_iter().map(Item::File)).collect();
        items.extend(folder.parent().filter(|_| named.is_empty()).map(|p| Item::Folder(p.into())));
        items.extend(folders.into_iter().map(Item::Folder));
        let rank = |item: &Item| match item {
            Item::Known(at) => self.known[*at].ranked(&named),
            Item::File(path) | Item::Folder(path) if path.file_name().is_some_and(|n| n == part.as_str()) => 0,
            // Every checkpoint has "ck" in its ending.
            Item::File(path) => 1 + u8::from(!stem(path).to_lowercase().contains(&query)),
            Item::Folder(_) => 1,
        };
        items.sort_by_key(rank);
        // A folder that was typed whole is one to go to, or to choose.
        let whole = if part == ".." {
            Some(folder.join(part))
        } else {
            Some(folder).filter(|_| part.is_empty() && !named.is_empty())
        };
        if let Some(folder) = whole.filter(|folder| folder.is_dir()) {
            items.insert(0, if (self.fits)(&folder) { Item::File(folder) } else { Item::Folder(folder) });
        }
        self.items = items;
        self.state.select(Some(0));
    }

    fn enter(&mut self) -> Outcome {
        match self.state.selected().and_then(|at| self.items.get(at)) {
            Some(Item::Known(at)) => Outcome::Choose(self.known[*at].action.clone()),
            Some(Item::File(path)) => Outcome::Choose((self.choose)(path.clone())),
            Some(Item::Folder(path)) => {
                let path = path.clone();
                self.open(std::fs::canonicalize(&path).unwrap_or(path))
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
            let (folder, part) = self.typed();
            let text = match (folder.is_dir(), part.is_empty()) {
                (false, _) => "there is no such folder".to_owned(),
                (true, true) => format!("no {} here", self.kind),
                (true, false) => format!("no {} here has \"{}\" in its name", self.kind, printable(&part)),
            };
            frame.render_widget(Paragraph::new(text).style(theme.dim()), list);
            return;
        }
        let folder = self.typed().0;
        let parent = folder.parent();
        let lines = self.items.iter().map(|item| match item {
            Item::Known(at) => {
                let known = &self.known[*at];
                Line::raw(printable(&format!("{}{}", known.text(), if known.present { " · in use" } else { "" })))
            }
            Item::Folder(path) if Some(path.as_path()) == parent || path.ends_with("..") => Line::raw("../"),
            Item::Folder(path) => Line::styled(format!("{}/", name(path)), theme.accent()),
            Item::File(path) => Line::raw(name(path)),
        });
        let widget = List::new(lines).highlight_symbol("▸ ").highlight_style(theme.accent());
        frame.render_stateful_widget(widget, list, &mut self.state);
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn name(path: &Path) -> String {
    path.file_name().map(|n| printable(&n.to_string_lossy())).unwrap_or_default()
}
