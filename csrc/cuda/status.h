// What became of a launch.
#pragma once

#include "core/types.h"

namespace qaconv::cuda {

// Turns the state left by a launch into a Status, keeping the message for last_error().
Status launch_status();

}  // namespace qaconv::cuda
