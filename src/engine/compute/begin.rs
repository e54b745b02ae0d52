//! From what is asked for to a run that can make its first step.

use super::sources::{OpenModels, read_picture};
use crate::engine::protocol::{
    ClassName, Compared, Course, InputRecord, JobSpec, Phase, Photo, Snapshot, Source, Task, role,
};
use crate::engine::run::{Beginning, Run};
use crate::error::{Error, Result};
use crate::imaging::{HeatMap, Picture};
use crate::model::{BUILT_IN, Model, ModelRef, Output};
use crate::techniques::evaluation::{Evaluation, evaluate, metric};
use crate::techniques::{
    Context, Job, Method, Need, Params, TECHNIQUES, Technique, Variation, compare, find, method,
};
use candle_core::Device;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A job that nothing speaks against yet: what can be checked without its model has been, and its pictures are read.
pub(super) struct Checked {
    pub spec: JobSpec,
    pub technique: &'static dyn Technique,
    pub params: Params,
    pub model: ModelRef,
    pub pictures: InputPictures,
}

/// The pictures of a job, and what is recorded of them.
#[derive(Default)]
pub(super) struct InputPictures {
    pub photo: Option<Picture>,
    pub others: Vec<Picture>,
    pub styles: Vec<Picture>,
    pub mask: Option<Picture>,
    pub init: Option<Picture>,
    pub records: Vec<InputRecord>,
}

impl InputPictures {
    /// Reads those that the technique has a use for.
    fn read(spec: &JobSpec, technique: &dyn Technique) -> Result<Self> {
        let needs = technique.needs();
        let mut records = vec![];
        let mut read = |sources: &[Source], wanted: bool, role| -> Result<Vec<Picture>> {
            let mut read_one = |source| {
                let (picture, record) = read_picture(source, role)?;
                records.push(record);
                Ok(picture)
            };
            if wanted { sources.iter().map(&mut read_one).collect() } else { Ok(vec![]) }
        };
        let photo = read(spec.picture.as_slice(), needs.picture != Need::None, role::PICTURE)?.pop();
        let others = read(&spec.others, needs.together, role::PICTURE)?;
        let styles = read(&spec.styles, needs.style != Need::None, role::STYLE)?;
        let mask = read(spec.mask.as_slice(), needs.mask != Need::None, role::MASK)?.pop();
        let init = read(spec.init.as_slice(), needs.init != Need::None, role::INIT)?.pop();
        Ok(Self { photo, others, styles, mask, init, records })
    }
}

/// Checks what is asked for as far as that goes without the model, and reads the pictures.
///
/// # Errors
/// If something asked for does not exist or does not fit, or a picture cannot be read.
pub(super) fn check(spec: JobSpec, techniques: &[&'static dyn Technique], models: &OpenModels) -> Result<Checked> {
    let technique = find(techniques, &spec.technique)?;
    let params = Params::new(technique.params(), &spec.set)?;
    match &spec.task {
        Task::Run => {}
        Task::Compare(maps) => {
            for map in maps {
                as_method(find(TECHNIQUES, &map.technique)?)?;
            }
        }
        Task::Score(score) => {
            as_method(technique)?;
            score.metrics.iter().try_for_each(|id| metric(id).map(drop))?;
        }
    }
    let usual = models.usual(technique.purpose())?.name;
    let model = spec.model_ref(|| usual);
    let known = models.known_output(&model)?;
    let mut checked = Checked { spec, technique, params, model, pictures: InputPictures::default() };
    if let Some(output) = known {
        checked.resolve(&output)?;
    }
    checked.pictures = InputPictures::read(&checked.spec, technique)?;
    Ok(checked)
}

/// Whether a run can begin: its technique, parameters, pictures, model and classes are there and fit. Nothing is computed.
///
/// # Errors
/// What a run of it would fail with.
pub fn can_begin(spec: JobSpec) -> Result<()> {
    let mut models = OpenModels::new(BUILT_IN, Device::Cpu);
    let mut checked = check(spec, TECHNIQUES, &models)?;
    let model = models.get(&checked.model)?;
    checked.resolve_in(&model)
}

impl Checked {
    /// What is asked for with its classes as the model numbers them. Those that nothing looks at stay as they are.
    ///
    /// # Errors
    /// If the model has no such class.
    pub fn resolve(&mut self, output: &Output) -> Result<()> {
        if self.looks_at_classes() {
            for class in self.spec.classes() {
                *class = class.among(&output.labels)?.into();
            }
        }
        Ok(())
    }

    /// The same with the model at hand.
    ///
    /// # Errors
    /// If it has no such class, or none at all.
    pub fn resolve_in(&mut self, model: &Model) -> Result<()> {
        match &model.info.output {
            Some(output) => self.resolve(output),
            None if !self.looks_at_classes() => Ok(()),
            None => {
                let others = TECHNIQUES.iter().filter(|other| !other.needs().about_a_class()).map(|other| other.id());
                let others = others.collect::<Vec<_>>().join(", ");
                let reason = format!("{}; these look at no class: {others}", model.info.without_classes());
                Err(Error::bad_value("model", &model.info.id, reason))
            }
        }
    }

    /// What is shown while the network is still being read: the photo, too. The rest is that of `own`.
    pub fn loading(&self, own: Snapshot) -> Snapshot {
        Snapshot {
            technique: self.technique.id().to_owned(),
            model: self.model.name.clone(),
            course: Course { phase: Phase::Loading, ..Course::default() },
            photo: self.pictures.photo.as_ref().map(Photo::new),
            style: self.pictures.styles.first().cloned(),
            params: self.params.clone(),
            ..own
        }
    }

    /// Whether it matters which classes are asked for.
    pub fn looks_at_classes(&self) -> bool {
        self.technique.needs().about_a_class() || self.spec.task != Task::Run
    }

    /// The run itself, with the job ready for its first step. `known` is the map that is to be scored, if it has been made.
    ///
    /// # Errors
    /// If something the technique needs is missing or does not fit.
    pub fn begin(self, id: u64, model: Arc<Model>, known: Option<HeatMap>) -> Result<Run> {
        let Self { spec, technique, params, pictures, .. } = self;
        let InputPictures { photo, others, styles, mask, init, records } = pictures;
        let index = |class: &Option<ClassName>| class.as_ref().and_then(ClassName::index);
        let context = Context {
            model,
            picture: photo,
            others,
            styles,
            mask,
            init,
            class: index(&spec.class),
            target: index(&spec.target),
            layer: spec.layer.clone().map(Into::into),
            seed: spec.seed,
        };
        let job = job(technique, &spec, params.clone(), context.clone(), known)?;
        Ok(Run::new(Beginning { id, spec, technique, context, params, inputs: records }, job))
    }
}

/// The job that `spec` asks for: a technique, several maps side by side, or a map and its scores.
pub(super) fn job(
    technique: &'static dyn Technique,
    spec: &JobSpec,
    params: Params,
    context: Context,
    known: Option<HeatMap>,
) -> Result<Box<dyn Job>> {
    match &spec.task {
        Task::Run => technique.start(context, params),
        Task::Score(score) => {
            let (metrics, target) = (score.metrics.clone(), score.target);
            evaluate(context, Evaluation { method: as_method(technique)?, params, metrics, target, known })
        }
        Task::Compare(maps) => {
            let variation = |compared: &Compared| -> Result<Variation> {
                let other = find(TECHNIQUES, &compared.technique)?;
                let params = if other.id() == technique.id() {
                    params.clone()
                } else {
                    Params::new(other.params(), &BTreeMap::new())?
                };
                let class = compared.class.as_ref().and_then(ClassName::index).or(context.class);
                let layer = compared.layer.as_deref().map(Into::into).or_else(|| context.layer.clone());
                Ok(Variation { method: as_method(other)?, params, class, layer })
            };
            let variations = maps.iter().map(variation).collect::<Result<Vec<_>>>()?;
            compare(context.clone(), variations)
        }
    }
}

fn as_method(technique: &'static dyn Technique) -> Result<&'static Method> {
    let reason = "only attribution methods can be compared and scored";
    method(technique).ok_or_else(|| Error::bad_value("technique", technique.id(), reason))
}

/// The map of a run, if `spec` asks for nothing but its scores.
pub(super) fn map_to_score(run: &Run, spec: &JobSpec) -> Option<HeatMap> {
    let made = JobSpec { task: spec.task.clone(), ..run.spec.clone() };
    let one_map = !run.spec.task.is_compare();
    run.view.heat.clone().filter(|_| one_map && spec.task.is_score() && spec.became(&made))
}
