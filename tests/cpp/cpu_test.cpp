// The operators on the CPU: every instruction set this machine has, serial and with threads.
#include <vector>

#include "backward_contracts.h"
#include "contracts.h"
#include "cpu_device.h"
#include "special_contracts.h"

namespace qaconv::test {
namespace {

void expanded_maps() {
    for_each_case("expanded maps", {{3, 2, 3, 6, 7}}, [](const Shape& shape, DType dtype, Layout) {
        with_sum_type(dtype, [&](auto zero) {
            for (const CpuDevice& device : serial_cpu_devices()) {
                check_forward<decltype(zero)>(device, shape, dtype, Layout::kExpanded);
                check_backward<decltype(zero)>(device, shape, dtype, Layout::kExpanded);
            }
        });
    });
}

// More maps than a block of packed ones: each pair's bits are those of the pair alone.
void batch_invariance() {
    for_each_case("batch invariance", {{65, 5, 16, 7, 17}, {5, 65, 37, 17, 7}},
                  [](const Shape& shape, DType dtype, Layout layout) {
                      with_sum_type(dtype, [&](auto zero) {
                          for (const CpuDevice& device : serial_cpu_devices()) {
                              check_bits<decltype(zero)>(device, shape, dtype, layout);
                          }
                      });
                  });
}

template <typename T>
void check_threads(const Shape& shape, DType dtype, Layout layout) {
    const TestMaps probe = probe_of(shape, dtype, layout, Fractions{31});
    const TestMaps gallery = gallery_of(shape, dtype, layout, Fractions{32});
    const Head<T> head{fractions<T>(shape.probe_locations, 33),
                       fractions<T>(shape.gallery_locations, 34), T(0.1)};
    for (const CpuDevice& one : serial_cpu_devices()) {
        const CpuDevice many = one.with_threads();
        const Maxima<T> maxima = correlation_max<T>(one, probe, gallery);
        check_maxima_bits(correlation_max<T>(many, probe, gallery), maxima, many.name());
        check_same_bits(match_scores(many, probe, gallery, head),
                        match_scores(one, probe, gallery, head), many.name() + ", scores");
        check_same_bits(pairwise_distance(many, probe, head.probe_weight, head.bias),
                        pairwise_distance(one, probe, head.probe_weight, head.bias),
                        many.name() + ", distances");
        const Gradients<T> actual = correlation_max_backward(many, probe, gallery, maxima);
        const Gradients<T> wanted = correlation_max_backward(one, probe, gallery, maxima);
        check_same_bits(actual.probe, wanted.probe, many.name() + ", grad_probe");
        check_same_bits(actual.gallery, wanted.gallery, many.name() + ", grad_gallery");
    }
}

void threads_change_nothing() {
    for_each_case("serial and threads", {{5, 3, 37, 17, 35}, {65, 5, 3, 6, 7}, {3, 65, 16, 16, 5}},
                  [](const Shape& shape, DType dtype, Layout layout) {
                      with_sum_type(dtype, [&](auto zero) {
                          check_threads<decltype(zero)>(shape, dtype, layout);
                      });
                  });
}

}  // namespace
}  // namespace qaconv::test

int main() {
    using namespace qaconv;
    using namespace qaconv::test;
    for_each_case("contract", cpu_shapes(), [](const Shape& shape, DType dtype, Layout layout) {
        with_sum_type(dtype, [&](auto zero) {
            for (const CpuDevice& device : serial_cpu_devices()) {
                check_forward<decltype(zero)>(device, shape, dtype, layout);
                check_bits<decltype(zero)>(device, shape, dtype, layout);
                check_backward<decltype(zero)>(device, shape, dtype, layout);
            }
        });
    });
    expanded_maps();
    batch_invariance();
    threads_change_nothing();
    run_special_contracts(serial_cpu_devices());
    run_backward_contracts(serial_cpu_devices());
    return finish();
}
