//! Dialogs: one file each.

mod dialog;
mod file_picker;
mod help;
mod model_card;
mod picker;
mod value_editor;

pub(super) use dialog::{Dialog, Outcome};
pub(super) use file_picker::FilePicker;
pub(super) use help::Help;
pub(super) use model_card::ModelCard;
pub(super) use picker::Picker;
pub(super) use value_editor::ValueEditor;
