//! Token hosts on virtual time: what they grant, how they cache, and how they fail.

/// Small, fast and the same on every machine (SplitMix64).
pub struct Draws(u64);

impl Draws {
    pub fn new(seed: u64) -> Self {
        Draws(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From [0,1).
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// From `low..high`.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low) as u64) as i64
    }
}

/// What a host does all the time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A new token for each request.
    Plain,
    /// One token until `window` seconds are left, with the lifetime that is left of it.
    Caching { window: i64, known: bool },
    /// Absolute ends, by a clock that is this many seconds ahead.
    Skewed { ahead: i64 },
    /// At most so many requests a second, else 429 with `Retry-After`.
    Throttling { per_second: u32, retry_after: i64 },
}

/// What happens to a host during its outages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trouble {
    /// None.
    None,
    /// Answers 503 at once.
    Errors,
    /// Does not answer at all.
    Hung,
}

/// One token host.
pub struct Host {
    pub kind: Kind,
    pub trouble: Trouble,
    /// The lifetime granted, in seconds.
    pub life: i64,
    /// Outages, in milliseconds of true time.
    pub outages: Vec<(i64, i64)>,
    second: i64,
    served: u32,
}

/// What a host remembers of one client.
#[derive(Clone, Copy, Debug, Default)]
pub struct Issued {
    pub serial: u64,
    /// In milliseconds of true time.
    pub end: i64,
}

/// How a request went.
pub enum Reply {
    /// A token, with the lifetime or the absolute end as told, in milliseconds.
    Token {
        issued: Issued,
        lifetime: Option<i64>,
        until: Option<i64>,
    },
    /// An error, with `Retry-After` in seconds.
    Error { retry_after: Option<i64> },
    /// Nothing.
    Silence,
}

/// How long the sender waits, in milliseconds.
pub const TIMEOUT: i64 = 10_000;

impl Host {
    /// The host of a number: ten kinds in turn, the troubled ones with outages spread over `hours`.
    pub fn new(number: usize, hours: i64, draws: &mut Draws) -> Self {
        let lives = [3600, 14_400, 28_800, 43_200, 86_400];
        let (kind, trouble, life) = match number % 10 {
            4 if number < 10 => (Kind::Plain, Trouble::None, 600),
            5 => {
                let known = number % 20 == 5;
                (Kind::Caching { window: 600, known }, Trouble::None, 14_400)
            }
            6 => (Kind::Plain, Trouble::Errors, 7200),
            7 => (Kind::Plain, Trouble::Hung, 7200),
            8 => {
                let kind = Kind::Throttling {
                    per_second: 3,
                    retry_after: 20,
                };
                (kind, Trouble::None, 14_400)
            }
            9 => {
                let ahead = draws.between(-30, 31);
                (Kind::Skewed { ahead }, Trouble::None, 7200)
            }
            kind => (
                Kind::Plain,
                Trouble::None,
                lives[(number / 10 + kind) % lives.len()],
            ),
        };
        let mut outages = Vec::new();
        if trouble != Trouble::None {
            let hour = 3_600_000;
            let mut start = draws.between(hour, 4 * hour);
            while start < hours * hour {
                // Ten minutes are less than the lead of a two-hour life; one host hangs for half a day.
                let long = number == 7 && (28..32).contains(&(start / hour));
                let length = if long { 12 * hour } else { 600_000 };
                outages.push((start, start + length));
                start += length + draws.between(2 * hour, 4 * hour);
            }
        }
        Host {
            kind,
            trouble,
            life,
            outages,
            second: 0,
            served: 0,
        }
    }

    /// Whether it is out of service at `now`.
    pub fn is_out(&self, now: i64) -> bool {
        let out = |(start, end): &(i64, i64)| (*start..*end).contains(&now);
        self.outages.iter().any(out)
    }

    /// Answers a request that reaches it at `now`; `cached` is what the client was given last.
    pub fn answer(&mut self, now: i64, cached: Issued, serial: u64) -> Reply {
        if self.is_out(now) {
            return match self.trouble {
                Trouble::Hung => Reply::Silence,
                _ => Reply::Error { retry_after: None },
            };
        }
        let fresh = Issued {
            serial,
            end: now + self.life * 1000,
        };
        let relative = |issued: Issued| Reply::Token {
            issued,
            lifetime: Some(issued.end - now),
            until: None,
        };
        match self.kind {
            Kind::Plain => relative(fresh),
            Kind::Caching { window, .. } if cached.end - now > window * 1000 => relative(cached),
            Kind::Caching { .. } => relative(fresh),
            Kind::Skewed { ahead } => Reply::Token {
                issued: fresh,
                lifetime: None,
                until: Some(fresh.end + ahead * 1000),
            },
            Kind::Throttling {
                per_second,
                retry_after,
            } => {
                if self.second != now / 1000 {
                    self.second = now / 1000;
                    self.served = 0;
                }
                self.served += 1;
                if self.served > per_second {
                    return Reply::Error {
                        retry_after: Some(retry_after),
                    };
                }
                relative(fresh)
            }
        }
    }
}
