//! The cost of one Argon2id hash.

use core::fmt;

/// Why Argon2 parameters are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argon2ParamsError {
    /// Parallelism outside 1 to [`Argon2Params::MAX_PARALLELISM`].
    Parallelism,
    /// Memory below 8 KiB per lane (RFC 9106 §3.1) or above [`Argon2Params::MAX_MEMORY_KIB`].
    Memory,
    /// Iterations outside 1 to [`Argon2Params::MAX_ITERATIONS`].
    Iterations,
}

impl fmt::Display for Argon2ParamsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parallelism => "Argon2 parallelism must be 1 to 16",
            Self::Memory => "Argon2 memory must be 8 KiB per lane to 65536 KiB",
            Self::Iterations => "Argon2 iterations must be 1 to 10",
        })
    }
}

impl core::error::Error for Argon2ParamsError {}

/// Memory in KiB (8 per lane to 65,536, default 19,456), iterations (1 to 10, default 2), lanes (1 to 16,
/// default 1).
///
/// The upper bounds hold for stored hashes as well: a hash that somebody slipped into the database costs at
/// most 64 MiB and 10 passes to check, and an isolate of 128 MiB survives it. The lower bounds are those of
/// RFC 9106 §3.1; whether a choice is strong enough for production says [`Self::meets_owasp_minimum`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Params {
    memory_kib: u32,
    iterations: u32,
    parallelism: u32,
}

impl Argon2Params {
    /// The same as [`Self::EDGE`].
    pub const DEFAULT: Self = Self::EDGE;
    /// For a Worker, whose isolate has 128 MiB for everything, and one thread: 19 MiB, 2 passes, 1 lane, of the OWASP Password
    /// Storage Cheat Sheet.
    pub const EDGE: Self = Self { memory_kib: 19_456, iterations: 2, parallelism: 1 };
    /// For a server of one's own: 64 MiB, 3 passes, 4 lanes, the second recommended option of RFC 9106 §4. Its first takes
    /// 2 GiB for each login, which is more than is taken from a stored hash.
    ///
    /// A Worker checks such hashes as well, in half of its memory, and replaces them by its own kind at the next login.
    pub const NATIVE: Self = Self { memory_kib: 65_536, iterations: 3, parallelism: 4 };
    /// The least memory per lane in KiB: two blocks for each of the four slices (RFC 9106 §3.1).
    pub const MIN_MEMORY_KIB_PER_LANE: u32 = 8;
    /// The most memory in KiB, 64 MiB.
    pub const MAX_MEMORY_KIB: u32 = 65_536;
    /// The fewest iterations.
    pub const MIN_ITERATIONS: u32 = 1;
    /// The most iterations.
    pub const MAX_ITERATIONS: u32 = 10;
    /// The fewest lanes.
    pub const MIN_PARALLELISM: u32 = 1;
    /// The most lanes. They are computed one after the other, so they cost no more than one.
    pub const MAX_PARALLELISM: u32 = 16;

    /// Parameters within the bounds above.
    ///
    /// # Errors
    ///
    /// [`Argon2ParamsError`] names the first of parallelism, memory, iterations that is out of bounds.
    pub const fn new(memory_kib: u32, iterations: u32, parallelism: u32) -> Result<Self, Argon2ParamsError> {
        if parallelism < Self::MIN_PARALLELISM || parallelism > Self::MAX_PARALLELISM {
            Err(Argon2ParamsError::Parallelism)
        } else if memory_kib < Self::MIN_MEMORY_KIB_PER_LANE.saturating_mul(parallelism)
            || memory_kib > Self::MAX_MEMORY_KIB
        {
            Err(Argon2ParamsError::Memory)
        } else if iterations < Self::MIN_ITERATIONS || iterations > Self::MAX_ITERATIONS {
            Err(Argon2ParamsError::Iterations)
        } else {
            Ok(Self { memory_kib, iterations, parallelism })
        }
    }

    /// Memory in KiB: `m` of the PHC string.
    #[must_use]
    pub const fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// Passes over the memory: `t` of the PHC string.
    #[must_use]
    pub const fn iterations(self) -> u32 {
        self.iterations
    }

    /// Lanes: `p` of the PHC string.
    #[must_use]
    pub const fn parallelism(self) -> u32 {
        self.parallelism
    }

    /// Whether the parameters are enough where memory is not scarce: 64 MiB and 2 passes. [`Self::EDGE`] is not.
    #[must_use]
    pub const fn meets_native_minimum(self) -> bool {
        self.memory_kib >= Self::NATIVE.memory_kib && self.iterations >= 2
    }

    /// Whether the parameters are at least one of the equally strong settings of the OWASP Password Storage
    /// Cheat Sheet: 46 MiB × 1, 19 MiB × 2, 12 MiB × 3, 9 MiB × 4, 7 MiB × 5.
    #[must_use]
    pub const fn meets_owasp_minimum(self) -> bool {
        let memory = self.memory_kib;
        match self.iterations {
            0 => false,
            1 => memory >= 47_104,
            2 => memory >= 19_456,
            3 => memory >= 12_288,
            4 => memory >= 9_216,
            _ => memory >= 7_168,
        }
    }
}

impl Default for Argon2Params {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inclusive_and_hold() {
        assert!(Argon2Params::new(8, 1, 1).is_ok());
        assert!(Argon2Params::new(65_536, 10, 16).is_ok());
        assert_eq!(Argon2Params::new(19_456, 2, 1), Ok(Argon2Params::DEFAULT));
        for (memory, iterations, parallelism, error) in [
            (7, 1, 1, Argon2ParamsError::Memory),
            (127, 1, 16, Argon2ParamsError::Memory),
            (65_537, 1, 1, Argon2ParamsError::Memory),
            (u32::MAX, 1, 1, Argon2ParamsError::Memory),
            (8, 0, 1, Argon2ParamsError::Iterations),
            (8, 11, 1, Argon2ParamsError::Iterations),
            (8, 1, 0, Argon2ParamsError::Parallelism),
            (65_536, 1, 17, Argon2ParamsError::Parallelism),
            (u32::MAX, u32::MAX, u32::MAX, Argon2ParamsError::Parallelism),
        ] {
            assert_eq!(Argon2Params::new(memory, iterations, parallelism), Err(error));
        }
    }

    #[test]
    fn profiles_are_those_of_their_sources_and_within_the_bounds() {
        let Argon2Params { memory_kib, iterations, parallelism } = Argon2Params::NATIVE;
        assert_eq!((memory_kib, iterations, parallelism), (65_536, 3, 4));
        assert_eq!(Argon2Params::new(65_536, 3, 4), Ok(Argon2Params::NATIVE));
        assert_eq!(Argon2Params::new(19_456, 2, 1), Ok(Argon2Params::EDGE));
        assert!(Argon2Params::EDGE.meets_owasp_minimum() && Argon2Params::NATIVE.meets_owasp_minimum());
        let meets = |memory, iterations| {
            Argon2Params::new(memory, iterations, 1).is_ok_and(Argon2Params::meets_native_minimum)
        };
        assert!(Argon2Params::NATIVE.meets_native_minimum() && meets(65_536, 2));
        assert!(!Argon2Params::EDGE.meets_native_minimum() && !meets(65_535, 10) && !meets(65_536, 1));
    }

    #[test]
    fn the_owasp_line_trades_memory_for_passes() {
        let meets = |memory, iterations| {
            Argon2Params::new(memory, iterations, 1).is_ok_and(Argon2Params::meets_owasp_minimum)
        };
        for (memory, iterations) in
            [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5), (7_168, 10)]
        {
            assert!(meets(memory, iterations), "{memory} {iterations}");
            assert!(!meets(memory - 1, iterations), "{memory} {iterations}");
        }
    }
}
