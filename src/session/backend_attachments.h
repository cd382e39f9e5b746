// Backends come and go: reached by the registry, made databases of the engine's, and taken away again.
//
// Thread safety: all methods, from any thread; attaching waits for the database, detaching for nothing. Ownership:
// outlives neither the registry nor the engine.
#pragma once

#include <string>

#include "backend/backend_registry.h"
#include "core/request_context.h"
#include "engine/engine.h"

namespace hyprstream::session {

class BackendAttachments {
 public:
  // `by_everyone`: ATTACH and DETACH are every client's, not only the operators'.
  BackendAttachments(backend::BackendRegistry& registry, engine::Engine& engine, bool by_everyone)
      : registry_(registry), engine_(engine), by_everyone_(by_everyone) {}

  // AlreadyExists: the name is taken. Whatever else the registry or the engine says, and then nothing is attached.
  arrow::Status Attach(const backend::BackendSpec& spec);
  // KeyError: there is none. What reads it ends with an error.
  arrow::Status Detach(const std::string& name);

  // ATTACH, DETACH or REFRESH BACKEND, for a client. Invalid, with what to do, where it is not the client's right; the
  // last is everybody's: it does no more than time does.
  arrow::Status Run(const Identity& identity, const engine::Statement& statement);

  const backend::BackendRegistry& registry() const { return registry_; }

 private:
  arrow::Status NoSuch(const std::string& name) const;
  arrow::Status CheckRight(const Identity& identity, const std::string& what) const;

  backend::BackendRegistry& registry_;
  engine::Engine& engine_;
  const bool by_everyone_;
};

}  // namespace hyprstream::session
