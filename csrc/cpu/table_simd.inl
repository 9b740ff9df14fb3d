// The table of an instruction set whose pairs are matched by pair_simd.inl, and its other
// functions. Included after it and pair_any.inl.

template <typename V>
void add_scaled_simd(ElementOf<V>* target, const ElementOf<V>* source, ElementOf<V> factor,
                     int64_t count) {
    const typename V::Vector scale = V::broadcast(factor);
    for (int64_t k = 0; k < count; k += V::kLanes) {
        V::store(target + k, V::fma(scale, V::load(source + k), V::load(target + k)));
    }
}

template <typename V>
double fma_operations_simd(int64_t iterations, ElementOf<V> factor, ElementOf<V>* sum) {
    constexpr int64_t kChains = 2 * V::kRows;
    typename V::Vector sums[kChains];
    // Each from another number: equal ones the compiler would make only once.
    for (int64_t k = 0; k < kChains; ++k) sums[k] = V::iota(k);
    const typename V::Vector factors = V::broadcast(factor);
    for (int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 24
        for (int64_t k = 0; k < kChains; ++k) sums[k] = V::fma(factors, factors, sums[k]);
    }
    *sum = 0;
    for (int64_t k = 0; k < kChains; ++k) *sum += V::largest(sums[k]);
    return 2.0 * static_cast<double>(kChains * V::kLanes * iterations);
}

template <typename V>
constexpr Isa<ElementOf<V>> kTable = {
    V::kRows,                                         // row_width
    2 * V::kLanes,                                    // column_width
    V::kLanes,                                        // lanes
    pair_simd<V, false>,                              // pair
    pair_simd<V, true>,                               // pair_with_index
    pair_any<ElementOf<V>, V::kRows, 2 * V::kLanes>,  // pair_any
    add_scaled_simd<V>,                               // add_scaled
    fma_operations_simd<V>,                           // fma_operations
};
