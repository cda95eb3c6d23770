//! The kernels: pure functions of array views, one per file. NaN means "absent" in all of them.

pub mod baselines;
pub mod boosting;
pub mod cosine;
pub mod density;
pub mod euclidean;
pub mod gower;
pub mod leave_one_out;
pub mod linkage;
pub mod machine;
pub mod math;
pub mod pchip;
pub mod pooled;
pub mod ranks;
pub mod rmia;
pub mod rows;
pub mod shrunken;
pub mod sorting;
pub mod statistics;
#[cfg(test)]
mod testing;
pub mod tile;
pub mod trees;

use crate::error::Result;

/// Asks whether to go on; an error ends the kernel, which hands it on. Long kernels call it several
/// times a second, on the thread that called them.
pub type Pulse<'a> = &'a dyn Fn() -> Result<()>;

/// Compiles the body of a function for AVX-512 and AVX2 too, and picks the widest at run time.
///
/// Rust never contracts a product and a sum into one rounding, so all of them answer the same bits.
macro_rules! wide {
    ($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $kind:ty),* $(,)?) $(-> $out:ty)? $body:block) => {
        $(#[$doc])*
        #[inline]
        $vis fn $name($($arg: $kind),*) $(-> $out)? {
            #[inline(always)]
            fn plain($($arg: $kind),*) $(-> $out)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn avx2($($arg: $kind),*) $(-> $out)? { plain($($arg),*) }

                #[target_feature(enable = "avx512f,avx512dq,avx512vl")]
                fn avx512($($arg: $kind),*) $(-> $out)? { plain($($arg),*) }

                if $crate::kernels::machine::has!("avx512f", "avx512dq", "avx512vl") {
                    // SAFETY: the features were just detected.
                    return unsafe { avx512($($arg),*) };
                }
                if $crate::kernels::machine::has!("avx2") {
                    // SAFETY: the feature was just detected.
                    return unsafe { avx2($($arg),*) };
                }
            }
            plain($($arg),*)
        }
    };
}
pub(crate) use wide;
