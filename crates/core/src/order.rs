//! The order of short lists.

/// Sorts a list by a key that is cheap to make; equal keys keep their order.
///
/// By binary insertion: the time for moving elements grows with the square of the length, so this is for lists
/// that a rule keeps to some hundred elements. The sort of the standard library, made for millions, is compiled
/// anew for every type, about 10 KB of WebAssembly each time; this one is a twentieth of that.
pub fn sort_by_key<T, K: Ord>(list: &mut [T], key: impl Fn(&T) -> K) {
    for end in 1..list.len() {
        let Some((sorted, [last, ..])) = list.split_at_checked(end) else { return };
        let last_key = key(last);
        let place = sorted.partition_point(|other| key(other) <= last_key);
        if let Some(unsorted) = list.get_mut(place..=end) {
            unsorted.rotate_right(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_order_is_that_of_a_stable_sort(list in prop::collection::vec((any::<u8>(), any::<u16>()), 0..80)) {
            let mut ours: Vec<_> = list.clone();
            sort_by_key(&mut ours, |(key, _)| core::cmp::Reverse(*key));
            let mut expected = list;
            expected.sort_by_key(|(key, _)| core::cmp::Reverse(*key));
            prop_assert_eq!(ours, expected);
        }
    }
}
