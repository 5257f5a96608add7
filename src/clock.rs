//! The only place that reads clocks and random numbers; everywhere else both are arguments.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};

use crate::lock::lock;
use crate::oauth::Nonce;
use crate::time::{HostTime, Span, Time};

/// How often a file with an offset is read at most.
const OFFSET_FILE_INTERVAL: Duration = Duration::from_secs(1);

/// The wall clock, the monotonic clock and random numbers. Cheap to clone; clones share one start.
#[derive(Clone)]
pub struct Clock {
    start: Instant,
    sleep: Arc<Sleep>,
    offset: Offset,
    random: SystemRandom,
    /// Identifies this start of this machine.
    host: Option<Arc<str>>,
    source: Option<Arc<dyn TimeSource>>,
}

/// Clocks and randomness that are not this machine's, such as virtual time that can be repeated.
pub trait TimeSource: Send + Sync {
    /// The time of the wall clock.
    fn wall(&self) -> Time;
    /// The time awake since the process started, by the monotonic clock.
    fn elapsed(&self) -> Duration;
    /// The same, including the time that the machine was suspended.
    fn elapsed_with_sleep(&self) -> Duration;
    /// The time on the clock that all processes of the machine share.
    fn host_time(&self) -> Option<HostTime>;
    /// Fills `bytes` with random numbers.
    fn fill(&self, bytes: &mut [u8]);
}

/// What is added to the wall clock. The monotonic clock is never shifted.
#[derive(Clone)]
enum Offset {
    Fixed(Span),
    File(Arc<OffsetFile>),
}

struct OffsetFile {
    path: PathBuf,
    cached: Mutex<CachedOffset>,
}

struct CachedOffset {
    read_at: Option<Instant>,
    offset: Span,
}

impl Clock {
    /// The clocks of this machine.
    pub fn system() -> Self {
        Clock::with_offset(Offset::Fixed(Span::ZERO))
    }

    /// A wall clock with an offset. For tests.
    pub fn shifted(offset: Span) -> Self {
        Clock::with_offset(Offset::Fixed(offset))
    }

    /// A wall clock whose offset is the content of `path`: whole seconds as text, which may be negative. The file is
    /// read at most once a second. If it is missing or invalid, the offset stays. For tests.
    pub fn with_offset_file(path: impl AsRef<Path>) -> Self {
        Clock::with_offset(Offset::File(Arc::new(OffsetFile {
            path: path.as_ref().to_owned(),
            cached: Mutex::new(CachedOffset {
                read_at: None,
                offset: Span::ZERO,
            }),
        })))
    }

    /// Clocks and randomness from elsewhere.
    pub fn from_source(source: Arc<dyn TimeSource>) -> Self {
        Clock {
            source: Some(source),
            ..Clock::system()
        }
    }

    fn with_offset(offset: Offset) -> Self {
        Clock {
            start: monotonic(),
            sleep: Arc::new(Sleep::from_now_on()),
            offset,
            random: SystemRandom::new(),
            host: host().map(Arc::from),
            source: None,
        }
    }

    /// Fills `bytes` with random numbers, and returns whether that was possible.
    fn fill(&self, bytes: &mut [u8]) -> bool {
        match &self.source {
            Some(source) => {
                source.fill(bytes);
                true
            }
            None => self.random.fill(bytes).is_ok(),
        }
    }

    /// The time of the wall clock. It may jump in both directions, so nothing that must not wait too long may depend on
    /// it.
    pub fn now(&self) -> Time {
        if let Some(source) = &self.source {
            return source.wall();
        }
        let offset = match &self.offset {
            Offset::Fixed(offset) => *offset,
            Offset::File(file) => file.offset(),
        };
        wall() + offset
    }

    /// Time since this clock was created, by the monotonic clock: it never jumps and never runs backwards. It stops
    /// while the machine is suspended.
    pub fn elapsed(&self) -> Duration {
        if let Some(source) = &self.source {
            return source.elapsed();
        }
        monotonic().saturating_duration_since(self.start)
    }

    /// Like [`Clock::elapsed`], including the time that the machine was suspended, for deadlines that others rely on.
    /// Accurate to 10 ms; reads a small file.
    pub fn elapsed_with_sleep(&self) -> Duration {
        if let Some(source) = &self.source {
            return source.elapsed_with_sleep();
        }
        // In this order: a delay in between must not count as sleep, because it already counts as time awake.
        let uptime = uptime();
        let awake = self.elapsed();
        awake.saturating_add(self.sleep.so_far(awake, uptime))
    }

    /// The time on the clock that all processes of this machine share, restarts included: it counts from the start of the
    /// machine, is never set, and goes on while the machine is suspended. Accurate to 10 ms; `None` without `/proc`.
    pub fn host_time(&self) -> Option<HostTime> {
        if let Some(source) = &self.source {
            return source.host_time();
        }
        let uptime = uptime()?;
        Some(HostTime {
            host: self.host.as_deref()?.to_owned(),
            millis: i64::try_from(uptime.as_millis()).ok()?,
        })
    }

    /// Random values for one attempt to get a token.
    pub fn nonce(&self) -> Nonce {
        let mut id = [0; 16];
        // Without random numbers from the kernel there is no TLS, so the zeros would never be sent.
        let _ = self.fill(&mut id);
        Nonce {
            id,
            random: self.random.clone(),
        }
    }

    /// A random number, evenly spread over `[0, 1)`.
    #[expect(
        clippy::cast_precision_loss,
        reason = "53 bits fit the mantissa of an f64 exactly"
    )]
    pub fn draw(&self) -> f64 {
        let mut bytes = [0; 8];
        // Without random numbers from the kernel, TLS would not work either. The middle is a harmless jitter.
        if !self.fill(&mut bytes) {
            return 0.5;
        }
        (u64::from_le_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// How long the machine was suspended since this was created.
struct Sleep {
    since: Option<Duration>,
    millis: AtomicU64,
}

impl Sleep {
    fn from_now_on() -> Self {
        Sleep {
            since: uptime(),
            millis: AtomicU64::new(0),
        }
    }

    /// The difference between the machine's uptime and the time awake. It never shrinks, so that the clock is
    /// never set back.
    fn so_far(&self, awake: Duration, uptime: Option<Duration>) -> Duration {
        let slept = self
            .since
            .zip(uptime)
            .map_or(Duration::ZERO, |(since, now)| {
                now.saturating_sub(since).saturating_sub(awake)
            });
        let slept = u64::try_from(slept.as_millis()).unwrap_or(u64::MAX);
        let known = self.millis.fetch_max(slept, Ordering::AcqRel);
        Duration::from_millis(known.max(slept))
    }
}

/// Time since boot, including suspension (`CLOCK_BOOTTIME`, which the standard library does not provide); `None` where the system
/// has no such clock.
#[cfg(target_os = "linux")]
fn uptime() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    Duration::try_from(clock_gettime(ClockId::Boottime)).ok()
}

#[cfg(not(target_os = "linux"))]
fn uptime() -> Option<Duration> {
    None
}

/// A name for this start of this machine, as far as its clock is one: a container can have a clock of its own.
fn host() -> Option<String> {
    let boot = std::fs::read("/proc/sys/kernel/random/boot_id").ok()?;
    let clock = std::fs::read_link("/proc/self/ns/time").unwrap_or_default();
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(&boot);
    hash.update(clock.as_os_str().as_encoded_bytes());
    let digest = hash.finish();
    let short = digest.as_ref().iter().take(8);
    Some(short.map(|byte| format!("{byte:02x}")).collect())
}

impl OffsetFile {
    fn offset(&self) -> Span {
        let mut cached = lock(&self.cached);
        let now = monotonic();
        let fresh = |read_at| now.saturating_duration_since(read_at) < OFFSET_FILE_INTERVAL;
        if !cached.read_at.is_some_and(fresh) {
            cached.read_at = Some(now);
            if let Some(seconds) = std::fs::read_to_string(&self.path)
                .ok()
                .and_then(|text| text.trim().parse().ok())
            {
                cached.offset = Span::from_seconds(seconds);
            }
        }
        cached.offset
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn monotonic() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn wall() -> Time {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    Time::from_millis(match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => millis(after),
        // A clock that was never set may be before 1970.
        Err(before) => millis(before.duration()).saturating_neg(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_is_shifted_and_the_monotonic_one_is_not() {
        let (straight, shifted) = (
            Clock::system(),
            Clock::shifted(Span::from_seconds(-315_360_000)),
        );
        let apart = straight.now().since(shifted.now()).seconds();
        assert!(
            (315_359_999..=315_360_000).contains(&apart),
            "{apart} s apart"
        );
        assert!(shifted.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn an_offset_file_is_followed_and_rubbish_in_it_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("offset");
        let shift = |text: &str| {
            std::fs::write(&path, text).unwrap();
            // A new clock each time, so that no test waits for a second.
            let clock = Clock::with_offset_file(&path);
            clock.now().since(Clock::system().now()).seconds()
        };
        assert!((3599..=3600).contains(&shift("3600\n")));
        assert!((-3601..=-3600).contains(&shift("-3600")));
        assert!((-1..=0).contains(&shift("tomorrow")));
    }

    #[test]
    fn an_offset_file_is_read_once_a_second_at_most() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("offset");
        std::fs::write(&path, "3600").unwrap();
        let clock = Clock::with_offset_file(&path);
        let before = clock.now();
        std::fs::write(&path, "7200").unwrap();
        assert!(clock.now().since(before).seconds() < 60);
    }

    #[test]
    fn a_suspended_machine_is_noticed_and_a_file_that_cannot_be_read_sets_nothing_back() {
        let seconds = Duration::from_secs;
        let sleep = Sleep {
            since: Some(seconds(1000)),
            millis: AtomicU64::new(0),
        };
        assert_eq!(
            sleep.so_far(seconds(5), Some(seconds(1005))),
            Duration::ZERO
        );
        assert_eq!(sleep.so_far(seconds(6), Some(seconds(1066))), seconds(60));
        assert_eq!(sleep.so_far(seconds(7), None), seconds(60));
        assert_eq!(sleep.so_far(seconds(8), Some(seconds(1068))), seconds(60));
        let nowhere = Sleep {
            since: None,
            millis: AtomicU64::new(0),
        };
        assert_eq!(
            nowhere.so_far(seconds(8), Some(seconds(1068))),
            Duration::ZERO
        );
    }

    #[test]
    fn a_machine_that_was_awake_shows_the_same_time_by_both_clocks() {
        let clock = Clock::system();
        std::thread::sleep(Duration::from_millis(50));
        let (awake, all) = (clock.elapsed(), clock.elapsed_with_sleep());
        assert!(uptime().is_some());
        assert!(
            all >= awake && all - awake < Duration::from_secs(1),
            "{awake:?} {all:?}"
        );
    }

    #[test]
    fn draws_are_spread_over_the_whole_range() {
        let clock = Clock::system();
        let draws: Vec<f64> = (0..2000).map(|_| clock.draw()).collect();
        assert!(draws.iter().all(|draw| (0.0..1.0).contains(draw)));
        let mean = draws.iter().sum::<f64>() / 2000.0;
        assert!((0.45..0.55).contains(&mean), "mean {mean}");
    }
}
