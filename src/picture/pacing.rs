//! How fast the terminal takes what it is sent, and how much may be under way to it.
//!
//! Between program and eye lie buffers of megabytes: a pseudo-terminal's, ssh's, tmux's. Whoever writes until a write
//! blocks has filled all of them, and a key is answered behind them. So every burst ends with a status question, which a
//! terminal answers once it has read so far. What was sent and not yet answered is under way, and no more is let go than
//! the line carries in the time a key may wait.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The question that ends a burst.
pub(super) const QUESTION: &[u8] = b"\x1b[5n";
/// What is under way is at most what arrives in this time, beyond the line's own delay.
const QUEUE: Duration = Duration::from_millis(50);
/// Bytes that may be under way however slow the line is.
const LEAST: usize = 2 * 1024;
/// And however fast.
const MOST: usize = 64 * 1024;
/// What may be under way before anything is known of the line.
const FIRST: usize = 16 * 1024;
/// Bursts below this say something of the delay, larger ones of the rate.
const TELLING: usize = 1500;
/// An answer that has not come by then was lost.
const LOST: Duration = Duration::from_secs(3);
/// Over this time the delay counts as the line's own; routes change.
const MEMORY: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy)]
struct Burst {
    bytes: usize,
    sent: Instant,
    /// Others were under way when it was sent.
    queued: bool,
}

/// What is under way, and what is known of the line. Knows no clock and no terminal.
#[derive(Debug)]
pub(super) struct Pacing {
    /// The terminal answers questions.
    pub answers: bool,
    under_way: VecDeque<Burst>,
    bytes: usize,
    /// Bytes a second that the line carries.
    rate: Option<f64>,
    /// The line's own delay: the smallest that was seen of late.
    delay: Option<(Duration, Instant)>,
    last_answer: Option<Instant>,
}

impl Pacing {
    pub fn new(answers: bool) -> Self {
        Self { answers, under_way: VecDeque::new(), bytes: 0, rate: None, delay: None, last_answer: None }
    }

    /// Bytes a second that the line carries, as far as that is known.
    pub fn rate(&self) -> Option<f64> {
        self.rate
    }

    /// Bytes that may be under way at once.
    fn window(&self) -> usize {
        let Some(rate) = self.rate else { return FIRST };
        let delay = self.delay.map_or(Duration::ZERO, |(delay, _)| delay);
        ((rate * (delay + QUEUE).as_secs_f64()) as usize).clamp(LEAST, MOST)
    }

    /// Bytes that may go out now.
    pub fn room(&self) -> usize {
        if self.answers { self.window().saturating_sub(self.bytes) } else { self.window() }
    }

    /// Whether nothing waits for an answer.
    pub fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// A burst goes out.
    pub fn sent(&mut self, bytes: usize, now: Instant) {
        if self.answers {
            self.under_way.push_back(Burst { bytes, sent: now, queued: !self.under_way.is_empty() });
            self.bytes += bytes;
        }
    }

    /// Writing a burst took so long: all that can be seen of a line to a terminal that answers nothing.
    pub fn written(&mut self, bytes: usize, took: Duration) {
        if !self.answers && bytes >= TELLING && took > Duration::from_millis(2) {
            self.learn(bytes as f64 / took.as_secs_f64());
        }
    }

    /// A question was answered.
    pub fn answered(&mut self, now: Instant) {
        self.answers = true;
        let Some(burst) = self.under_way.pop_front() else { return };
        self.bytes -= burst.bytes;
        let took = now.saturating_duration_since(burst.sent);
        let known = self.delay.filter(|(_, at)| now.saturating_duration_since(*at) < MEMORY);
        if burst.bytes < TELLING && !burst.queued && known.is_none_or(|(delay, _)| took <= delay) {
            self.delay = Some((took, now));
        }
        // Bursts on each other's heels: the time between their answers is that of carrying the second.
        let since = self.last_answer.filter(|_| burst.queued).unwrap_or(burst.sent).max(burst.sent);
        self.last_answer = Some(now);
        if burst.bytes >= TELLING {
            let delay = if burst.queued { Duration::ZERO } else { self.delay.map_or(Duration::ZERO, |d| d.0) };
            let carrying = now.saturating_duration_since(since).saturating_sub(delay).max(Duration::from_micros(200));
            self.learn(burst.bytes as f64 / carrying.as_secs_f64());
        }
    }

    /// A line that becomes slower is believed at once, one that becomes faster by and by.
    fn learn(&mut self, sample: f64) {
        self.rate = Some(match self.rate {
            None => sample,
            Some(rate) if sample < rate => rate * 0.5 + sample * 0.5,
            Some(rate) => rate * 0.8 + sample.min(rate * 4.0) * 0.2,
        });
    }

    /// Gives up answers that were lost, so that nothing waits for them for ever.
    pub fn expire(&mut self, now: Instant) {
        while self.under_way.front().is_some_and(|b| now.saturating_duration_since(b.sent) > LOST) {
            if let Some(burst) = self.under_way.pop_front() {
                self.bytes -= burst.bytes;
                // As slow as that at least.
                self.learn(burst.bytes as f64 / LOST.as_secs_f64());
            }
        }
    }
}

/// Bytes that may be spent: so many a second, and what was saved of half a second.
#[derive(Debug)]
pub(super) struct Allowance {
    rate: f64,
    saved: f64,
    at: Instant,
}

impl Allowance {
    pub fn new(rate: f64, now: Instant) -> Self {
        Self { rate, saved: rate / 2.0, at: now }
    }

    pub fn set_rate(&mut self, rate: f64, now: Instant) {
        self.accrue(now);
        self.rate = rate;
    }

    fn accrue(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.saved = (self.saved + passed * self.rate).min(self.rate / 2.0);
        self.at = now;
    }

    pub fn spend(&mut self, bytes: usize, now: Instant) {
        self.accrue(now);
        self.saved -= bytes as f64;
    }

    /// How long until there is something to spend.
    pub fn wait(&mut self, now: Instant) -> Duration {
        self.accrue(now);
        Duration::from_secs_f64((-self.saved / self.rate.max(1.0)).clamp(0.0, 10.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line with a rate and a delay, and a sender that always has something to send.
    struct Sim {
        now: Instant,
        rate: f64,
        delay: Duration,
        /// When the line will have carried what is on it.
        free: Instant,
        answers: VecDeque<Instant>,
    }

    impl Sim {
        fn new(rate: f64, delay: Duration) -> Self {
            let now = Instant::now();
            Self { now, rate, delay, free: now, answers: VecDeque::new() }
        }

        fn send(&mut self, pacing: &mut Pacing, bytes: usize) {
            pacing.sent(bytes, self.now);
            self.free = self.free.max(self.now) + Duration::from_secs_f64(bytes as f64 / self.rate);
            self.answers.push_back(self.free + self.delay);
        }

        /// Sends pieces for a while; bytes sent, and the longest that something new would have had to wait.
        fn run(&mut self, pacing: &mut Pacing, seconds: f64, piece: usize) -> (usize, Duration) {
            let end = self.now + Duration::from_secs_f64(seconds);
            let (mut sent, mut worst) = (0, Duration::ZERO);
            while self.now < end {
                while self.answers.front().is_some_and(|at| *at <= self.now) {
                    self.answers.pop_front();
                    pacing.answered(self.now);
                }
                while pacing.room() >= piece.min(pacing.window()) {
                    self.send(pacing, piece);
                    sent += piece;
                }
                worst = worst.max(self.free.saturating_duration_since(self.now));
                self.now += Duration::from_millis(1);
            }
            (sent, worst)
        }
    }

    #[test]
    fn a_slow_line_is_used_and_keys_do_not_wait() {
        for (rate, delay) in [(60e3, 1), (60e3, 100), (500e3, 40), (5e6, 20)] {
            let mut line = Sim::new(rate, Duration::from_millis(delay));
            let mut pacing = Pacing::new(true);
            // A dashboard draws something small before the first picture.
            line.send(&mut pacing, 300);
            line.run(&mut pacing, 0.3, 2000);
            let (sent, worst) = line.run(&mut pacing, 5.0, 2000);
            let share = sent as f64 / (rate * 5.0);
            assert!(share > 0.6, "{rate} B/s, {delay} ms: {share:.2} of the line was used");
            assert!(worst < Duration::from_millis(160), "{rate} B/s, {delay} ms: {worst:?} in the queue");
        }
    }

    #[test]
    fn a_line_that_becomes_slow_is_noticed() {
        let mut line = Sim::new(5e6, Duration::from_millis(5));
        let mut pacing = Pacing::new(true);
        line.send(&mut pacing, 300);
        line.run(&mut pacing, 1.0, 4000);
        line.rate = 60e3;
        line.run(&mut pacing, 3.0, 4000);
        let (_, worst) = line.run(&mut pacing, 3.0, 2000);
        assert!(worst < Duration::from_millis(150), "{worst:?}");
        let rate = pacing.rate().expect("a rate");
        assert!((40e3..90e3).contains(&rate), "{rate}");
    }

    #[test]
    fn lost_answers_do_not_stop_everything() {
        let mut pacing = Pacing::new(true);
        let now = Instant::now();
        pacing.sent(FIRST, now);
        assert_eq!(pacing.room(), 0);
        pacing.expire(now + LOST + Duration::from_millis(1));
        assert!(pacing.room() > 0 && pacing.is_idle());
    }

    #[test]
    fn an_allowance_lasts() {
        let now = Instant::now();
        let mut allowance = Allowance::new(1000.0, now);
        allowance.spend(1500, now);
        assert_eq!(allowance.wait(now), Duration::from_secs(1));
        assert_eq!(allowance.wait(now + Duration::from_secs(1)), Duration::ZERO);
    }
}
