// How a call reports libtorch's exceptions, none of which may reach Rust.

#pragma once

#include <c10/util/Exception.h>

#include <cstdio>
#include <exception>

// Runs `body` and returns whether it succeeded. Otherwise libtorch's message is in `error`: few bytes are enough for its first
// lines, the rest is cut.
template <typename Body>
bool guarded(char* error, size_t capacity, Body&& body) noexcept {
  try {
    body();
    return true;
  } catch (const c10::Error& e) {
    std::snprintf(error, capacity, "%s", e.what_without_backtrace());
  } catch (const std::exception& e) {
    std::snprintf(error, capacity, "%s", e.what());
  } catch (...) {
    std::snprintf(error, capacity, "an exception of an unknown type");
  }
  return false;
}
