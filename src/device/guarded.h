// Calls from Rust: an exception of libtorch becomes a message.

#pragma once

#include <c10/util/Exception.h>

#include <cstdio>

// Few bytes are enough for the first lines of a message; the rest is cut.
template <typename Body>
inline bool guarded(char* error, size_t capacity, Body&& body) noexcept {
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
