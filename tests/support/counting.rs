//! A technique made for tests of the engine: it counts, waits or goes wrong as it is told.

use candle_core::Device;
use gradlens::imaging::Picture;
use gradlens::techniques::{
    Aim, Context, Group, Job, Needs, ParamKind, ParamSpec, Params, Progress, State, Technique, View,
};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

const PARAMS: &[ParamSpec] = &[
    ParamSpec {
        name: "slope",
        kind: ParamKind::Float { min: 0.0, max: 100.0, default: 1.0 },
        unit: "",
        help: "what each step adds",
        live: true,
    },
    ParamSpec {
        name: "steps",
        kind: ParamKind::Int { min: 1, max: 1_000_000, default: 20 },
        unit: "steps",
        help: "how many",
        live: true,
    },
    ParamSpec {
        name: "break_at",
        kind: ParamKind::Int { min: 0, max: 1000, default: 0 },
        unit: "",
        help: "the step that goes wrong",
        live: false,
    },
    ParamSpec {
        name: "how",
        kind: ParamKind::Choice {
            options: &[
                "nan",
                "panic",
                "error",
                "held",
                "refuses",
                "panics when set",
                "panics when saved",
                "panics when kept",
            ],
            default: "nan",
        },
        unit: "",
        help: "how it goes wrong, or that each step waits until it is let go",
        live: false,
    },
];

/// How many steps of held runs have been let go and not been taken.
static LET_GO: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// Lets the held runs make so many steps more.
pub fn let_go(steps: usize) {
    *LET_GO.0.lock().expect("unpoisoned") += steps;
    LET_GO.1.notify_all();
}

/// Adds `slope` at every step, 5 ms each; its picture is the step's number as a grey.
pub struct Counting;

struct CountingJob {
    params: Params,
    step: usize,
    value: f64,
    looked: bool,
}

impl Technique for Counting {
    fn id(&self) -> &'static str {
        "counting"
    }
    fn group(&self) -> Group {
        Group::Attribution
    }
    fn about(&self) -> &'static str {
        "counts"
    }
    fn definition(&self) -> &'static str {
        "value + slope"
    }
    fn reference(&self) -> &'static str {
        "tests/support/counting.rs"
    }
    fn needs(&self) -> Needs {
        Needs::NOTHING
    }
    fn params(&self) -> &'static [ParamSpec] {
        PARAMS
    }
    fn start(&'static self, _: Context, params: Params) -> gradlens::Result<Box<dyn Job>> {
        if params.choice("how") == "refuses" {
            return Err(gradlens::Error::bad_value("how", "refuses", "it was told to"));
        }
        Ok(Box::new(CountingJob { params, step: 0, value: 0.0, looked: false }))
    }
}

impl Job for CountingJob {
    fn step(&mut self) -> gradlens::Result<Progress> {
        if self.looked {
            self.step += 1;
            self.value += self.params.float("slope");
        }
        self.looked = true;
        if self.params.choice("how") == "held" {
            let count = LET_GO.0.lock().expect("unpoisoned");
            *LET_GO.1.wait_while(count, |count| *count == 0).expect("unpoisoned") -= 1;
        } else {
            std::thread::sleep(Duration::from_millis(5));
        }
        let broken = self.step > 0 && self.step == self.params.count("break_at");
        let value = match self.params.choice("how") {
            "nan" if broken => f64::NAN,
            "panic" if broken => panic!("on purpose"),
            "error" if broken => return Err(candle_core::Error::Msg("on purpose".into()).into()),
            _ => self.value,
        };
        let total = self.params.count("steps");
        let figures = vec![("value", value)];
        Ok(Progress { step: self.step, total, figures, done: self.step >= total, ..Progress::default() })
    }
    fn set(&mut self, params: &Params, _: &Aim) -> gradlens::Result<()> {
        assert_ne!(params.choice("how"), "panics when set", "on purpose");
        self.params = params.clone();
        Ok(())
    }
    fn save_state(&self) -> Option<State> {
        // By then the history asks for even steps only.
        let asked_for = self.step > 20 && self.step % 2 == 1;
        assert!(!asked_for || self.params.choice("how") != "panics when kept", "on purpose");
        // As large as that of a big picture, so that not every step's is kept.
        let ballast = candle_core::Tensor::zeros(1, candle_core::DType::F32, &Device::Cpu).ok()?;
        let ballast = ballast.broadcast_as(1 << 22).ok()?;
        let state = State::default().with("ballast", &ballast);
        Some(state.with_value("step", self.step).with_value("value", self.value))
    }
    fn load_state(&mut self, state: &State) -> gradlens::Result<()> {
        (self.step, self.value, self.looked) = (state.value("step")?, state.value("value")?, true);
        Ok(())
    }
    fn facts(&self) -> serde_json::Map<String, serde_json::Value> {
        assert_ne!(self.params.choice("how"), "panics when saved", "on purpose");
        serde_json::Map::new()
    }
    fn view(&self) -> gradlens::Result<View> {
        let grey = self.step.min(255) as u8;
        Ok(View { result: Some(Picture::new(1, 1, vec![grey; 3])), ..View::default() })
    }
}
