// Launches every kernel of the usual network's size, float16, for check_counters.py to look at.
#include "cases.h"
#include "cuda_device.cuh"
#include "operators.h"

namespace qaconv::test {
namespace {

void launch_all() {
    const CudaDevice device;
    const Shape shape{2, 3, 128, 192, 192};
    const TestMaps probe = probe_of(shape, DType::kFloat16, Layout::kContiguous, Fractions{1});
    const TestMaps gallery = gallery_of(shape, DType::kFloat16, Layout::kContiguous, Fractions{2});
    const Head<float> head{fractions<float>(192, 3), fractions<float>(192, 4), 1};
    match_scores(device, probe, gallery, head);
    pairwise_distance(device, gallery, head.probe_weight, 1.0f);
    const Maxima<float> maxima = correlation_max<float>(device, probe, gallery);
    correlation_max_self<float>(device, gallery);
    correlation_max_backward(device, probe, gallery, maxima);
}

}  // namespace
}  // namespace qaconv::test

int main() {
    qaconv::test::run_case("launches", qaconv::test::launch_all);
    return qaconv::test::finish();
}
