//! Which architecture a checkpoint's tensors are of.

use super::tensors::Checkpoint;
use crate::error::did_you_mean;
use crate::model::Assumption;
use crate::model::read::onnx::Refusal;
use crate::model::zoo::architectures::{Architecture, Tables, all};

/// An architecture whose every tensor is there in its shape.
#[derive(Debug, Clone)]
pub struct Fit {
    /// It.
    pub architecture: &'static Architecture,
    /// What stands before each of its tensors' names in the file.
    pub prefix: String,
    /// Others that have the same tensors.
    others: Vec<&'static str>,
    /// The weights in the file that these are the moving average of.
    instead_of: Option<String>,
    /// Other weights in the file that fit as well, as a teacher's beside a student's.
    beside: Vec<String>,
    /// What the file says that it is, where its tensors are not those of that.
    called: Option<String>,
    /// The layer that stands for the architecture's head, under another name.
    head: Option<String>,
}

/// How many networks of a kind are looked for in a file: those with the shortest names.
const MOST_PREFIXES: usize = 32;

/// Tensors of a file among which a head is looked for: no network here has as many.
const MOST_SEARCHED: usize = 20_000;

/// Tensors that are larger in a network for larger pictures have this in their names.
const GROW_WITH_PICTURES: [&str; 2] = ["pos_embed", "relative_position"];

/// How a checkpoint misses an architecture.
struct Misfit {
    architecture: &'static Architecture,
    fitting: usize,
    /// Its tensors.
    of: usize,
    reason: String,
    /// Whether it misses it by what is larger for larger pictures alone.
    by_size: bool,
}

impl Fit {
    /// What was taken for granted.
    pub fn assumptions(&self) -> Vec<Assumption> {
        let mut assumptions = Vec::new();
        if !self.others.is_empty() {
            let what = format!(
                "architecture {}, though the tensors are also those of {}",
                self.architecture.name,
                self.others.join(", ")
            );
            assumptions.push(Assumption { what, option: "--arch".to_owned() });
        }
        if let Some(called) = &self.called {
            let what =
                format!("architecture {}, by its tensors, though it is called {called}", self.architecture.name);
            assumptions.push(Assumption { what, option: "--arch".to_owned() });
        }
        if !self.beside.is_empty() {
            let beside: Vec<String> = self.beside.iter().map(|prefix| named(prefix)).collect();
            let what = format!("of its weights those in {} are meant", named(&self.prefix));
            let option = format!("to see {}, save them alone", beside.join(" or "));
            assumptions.push(Assumption { what, option });
        }
        if let Some(plain) = &self.instead_of {
            let what = format!("the averaged weights in {} are meant", named(&self.prefix));
            assumptions.push(Assumption { what, option: format!("to see {}, save it alone", named(plain)) });
        }
        if let Some(head) = &self.head {
            let what = format!("the head {head} is a linear layer alone");
            assumptions.push(Assumption { what, option: "if it is more, export an ONNX file".to_owned() });
        }
        assumptions
    }
}

/// What a checkpoint calls a tensor of an architecture. A head may have become a sequence that holds one layer with weights,
/// behind a dropout say, or that layer alone where it was in a sequence.
pub fn stored_as(checkpoint: &Checkpoint, architecture: &Architecture, prefix: &str, own: &str) -> Option<String> {
    let plain = format!("{prefix}{own}");
    if checkpoint.tensors.contains_key(&plain) {
        return Some(plain);
    }
    if checkpoint.tensors.len() > MOST_SEARCHED {
        return None;
    }
    let (stem, leaf) = own.rsplit_once('.').filter(|_| architecture.head.iter().any(|name| name == own))?;
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let outer = stem.rsplit_once('.').filter(|(_, last)| is_number(last)).map_or(stem, |(outer, _)| outer);
    let inside = format!("{prefix}{outer}.");
    let mut found = None;
    for name in checkpoint.tensors.keys().filter(|name| name.starts_with(&inside)) {
        let (between, last) = name[inside.len() - 1..].rsplit_once('.')?;
        if !between.split('.').skip(1).all(is_number) || !matches!(last, "weight" | "bias") {
            return None;
        }
        if last == leaf && found.replace(name.clone()).is_some() {
            return None;
        }
    }
    found
}

fn named(prefix: &str) -> String {
    let name = prefix.trim_end_matches('.');
    if name.is_empty() { "the file's own tensors".to_owned() } else { name.to_owned() }
}

/// Finds the architecture. With `asked` it has to be that one; what the file says of itself decides between equals.
///
/// # Errors
/// A [`Refusal`] that names the closest one, and what it lacks.
pub fn find(checkpoint: &Checkpoint, asked: Option<&str>, tables: &Tables) -> Result<Fit, Refusal> {
    let known: Vec<&'static Architecture> =
        all().iter().filter(|known| asked.is_none_or(|asked| known.is_called(asked))).collect();
    if let (Some(asked), true) = (asked, known.is_empty()) {
        let names = all().iter().flat_map(|a| std::iter::once(&a.name).chain(&a.aliases)).map(String::as_str);
        let hint = did_you_mean(asked, names);
        return Err(Refusal(format!(
            "no architecture here is called \"{}\"{}; `gradlens models --architectures` lists them",
            asked.escape_debug(),
            if hint.is_empty() { String::new() } else { format!(" ({hint})") },
        )));
    }
    let mut fits: Vec<(&'static Architecture, String)> = Vec::new();
    let mut closest: Option<Misfit> = None;
    for architecture in known {
        let tensors = architecture.tensors(tables);
        for prefix in prefixes(checkpoint, &tensors) {
            match check(checkpoint, architecture, &prefix, &tensors) {
                Ok(()) => fits.push((architecture, prefix)),
                Err(misfit) if closest.as_ref().is_none_or(|best| best.fitting < misfit.fitting) => {
                    closest = Some(misfit);
                }
                Err(_) => {}
            }
        }
    }
    // What uses more of the file's tensors is the larger network, which contains the smaller ones.
    let most = fits.iter().map(|(architecture, _)| architecture.tensors(tables).len()).max();
    fits.retain(|(architecture, _)| Some(architecture.tensors(tables).len()) == most);
    let called = checkpoint.architecture.as_deref();
    let best = fits
        .iter()
        .position(|(architecture, _)| called.is_some_and(|called| architecture.is_called(called)))
        .or((!fits.is_empty()).then_some(0));
    let Some(best) = best else {
        let without = asked.map(|_| find(checkpoint, None, tables));
        return Err(refusal(checkpoint, closest.as_ref(), asked, without));
    };
    let architecture = fits[best].0;
    let certain = asked.is_some() || called.is_some_and(|called| architecture.is_called(called));
    let mut others: Vec<&str> = fits.iter().map(|(other, _)| other.name.as_str()).collect();
    others.retain(|name| !certain && *name != architecture.name);
    others.dedup();
    let mut prefixes: Vec<&String> =
        fits.iter().filter(|(other, _)| other.name == architecture.name).map(|(_, prefix)| prefix).collect();
    prefixes.sort_by_key(|prefix| (!is_averaged(prefix), prefix.len()));
    let instead_of = prefixes.iter().find(|prefix| is_averaged(prefixes[0]) && !is_averaged(prefix));
    let known_as = |called: &&str| asked.is_none() && !architecture.is_called(called);
    let head = architecture.head.iter().find_map(|own| {
        let name = stored_as(checkpoint, architecture, prefixes[0], own)?;
        (name != format!("{}{own}", prefixes[0])).then(|| name.rsplit_once('.').map(|(layer, _)| layer.to_owned()))?
    });
    Ok(Fit {
        architecture,
        head,
        prefix: prefixes[0].clone(),
        others,
        instead_of: instead_of.map(|prefix| (*prefix).clone()),
        beside: prefixes[1..].iter().filter(|p| Some(*p) != instead_of).map(|p| (*p).clone()).collect(),
        called: called.filter(known_as).map(str::to_owned),
    })
}

/// Whether these are weights averaged over the course of a training.
fn is_averaged(prefix: &str) -> bool {
    prefix.split(['.', '_']).any(|word| matches!(word.to_ascii_lowercase().as_str(), "ema" | "swa" | "averaged"))
}

/// What may stand before the names of an architecture's tensors.
fn prefixes(checkpoint: &Checkpoint, tensors: &[(&str, Vec<usize>)]) -> Vec<String> {
    let Some((first, _)) = tensors.first() else { return Vec::new() };
    let mut found: Vec<String> = checkpoint
        .tensors
        .keys()
        .filter_map(|name| name.strip_suffix(*first))
        .filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
        .map(str::to_owned)
        .collect();
    found.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    found.truncate(MOST_PREFIXES);
    found
}

/// Whether every tensor is there in its shape; the number of classes and of the picture's channels is free.
fn check(
    checkpoint: &Checkpoint,
    architecture: &'static Architecture,
    prefix: &str,
    tensors: &[(&str, Vec<usize>)],
) -> Result<(), Misfit> {
    let (mut fitting, mut reason, mut classes) = (0, None, None);
    let mut by_size = true;
    for (own, shape) in tensors {
        let name = stored_as(checkpoint, architecture, prefix, own);
        let found = name.and_then(|name| checkpoint.tensors.get(&name)).map(|stored| stored.dims.as_slice());
        let mut wanted: Vec<i64> = shape.iter().map(|extent| *extent as i64).collect();
        if let Some(found) = found
            && found.len() == wanted.len()
        {
            if architecture.head.iter().any(|name| name == own)
                && *classes.get_or_insert(found[0]) == found[0]
                && found[0] > 0
            {
                wanted[0] = found[0];
            }
            if architecture.first.as_deref() == Some(*own) && matches!(found[1], 1 | 3 | 4) {
                wanted[1] = found[1];
            }
        }
        if found == Some(&wanted) {
            fitting += 1;
            continue;
        }
        by_size &= found.is_some() && GROW_WITH_PICTURES.iter().any(|part| own.contains(part));
        reason.get_or_insert_with(|| match found {
            Some(found) => format!("its tensor \"{own}\" has the shape {found:?} and not {shape:?}"),
            None => format!("its tensor \"{own}\" is not there"),
        });
    }
    let Some(mut reason) = reason else { return Ok(()) };
    if by_size {
        let [height, width] = architecture.input.size;
        reason = format!("{reason}, as for pictures of another size; it is known here for {width}×{height} alone");
    }
    Err(Misfit { architecture, fitting, of: tensors.len(), reason, by_size })
}

/// Why it is none of the architectures, and what would help. `without` is what it is where one was `asked` for.
fn refusal(
    checkpoint: &Checkpoint,
    closest: Option<&Misfit>,
    asked: Option<&str>,
    without: Option<Result<Fit, Refusal>>,
) -> Refusal {
    let near = closest.filter(|misfit| misfit.fitting * 2 >= misfit.of);
    let side = if near.is_some_and(|misfit| misfit.by_size) { "HEIGHT, WIDTH" } else { "224, 224" };
    let help = format!(
        "export the network itself: torch.onnx.export(model.eval(), torch.rand(1, 3, {side}), \"model.onnx\")"
    );
    if let (Some(asked), Some(without)) = (asked, without) {
        let asked = asked.escape_debug();
        return Refusal(match (without, near) {
            (Ok(fit), _) => {
                let own = &fit.architecture.name;
                format!("its tensors are not those of {asked}, but those of {own}; leave --arch out")
            }
            (Err(_), Some(Misfit { fitting, of, reason, .. })) => {
                format!("its tensors are not those of {asked}: {fitting} of {of} are, but {reason}; {help}")
            }
            (Err(refusal), None) => format!("not nearly {asked}: {refusal}"),
        });
    }
    let count = all().len();
    if let Some(Misfit { architecture, fitting, of, reason, .. }) = near {
        let own = &architecture.name;
        return Refusal(format!(
            "its tensors are those of none of {count} known architectures; closest is {own} with {fitting} of {of}, but {reason}; {help}"
        ));
    }
    let mut names: Vec<&str> = checkpoint.tensors.keys().map(String::as_str).collect();
    names.sort_unstable();
    let some: Vec<String> = names.iter().take(3).map(|name| name.escape_debug().to_string()).collect();
    Refusal(format!(
        "its {} tensors ({}, …) are those of none of {count} known architectures, nor nearly; {help}",
        names.len(),
        some.join(", ")
    ))
}
