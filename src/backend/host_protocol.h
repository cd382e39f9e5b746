// What the server and a driver host say to each other.
//
// A driver host is this program as a process of its own (`hyprstream driver-host`), one for each backend that is
// isolated: a driver that crashes takes the host down and not the server. Frames go over Unix sockets that the host
// inherits or is handed: on the control socket, the host's descriptor 3, the server opens the database, hands over a
// socket for each connection, and cancels; on a connection's socket each call has one reply, in order. Options, and so
// secrets, go over the control socket only. The end of the control socket ends the host.
//
// Thread safety: one thread sends, one receives; ShutDown() from any. Ownership: a socket closes its descriptor.
#pragma once

#include <arrow-adbc/adbc.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace arrow {
class Buffer;
class RecordBatch;
class Schema;
class Status;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream::backend {

inline constexpr int kHostControlDescriptor = 3;

enum class HostCall : std::uint32_t {
  kOpen,     // library, entry point, count of options, name and value of each -> status
  kConnect,  // a number, with a socket for its calls; no reply
  kCancel,   // the numbers of a connection and of its statement, which ends if it is still there; no reply
  // On the socket of a connection. Replies have an AdbcStatusCode, and an error as WriteError() makes it.
  kInit,
  kSetConnectionOption,  // name, value
  kGetInfo,              // code -> stream
  kGetConnectionOption,  // name -> value
  kGetObjects,           // depth, catalog or none, schema or none -> stream
  kGetTableSchema,       // table -> schema
  kCommit,
  kRollback,
  kMakeStatement,       // the one statement of the connection; they are counted from 1
  kPrepare,             // text; likewise
  kSetStatementOption,  // name, value
  kBind,                // schema; the rows are asked for while it executes (host_rows.h)
  kExecuteSchema,       // -> schema
  kExecuteUpdate,       // -> number of rows
  kExecuteQuery,        // -> schema
  kNext,                // -> one batch, or nothing at the end
  kRelease,             // of the statement
  // The answer to kRowsWanted; no reply.
  kRows,        // one batch, or nothing at the end
  kRowsFailed,  // there are no more
};

// Instead of a reply, which comes later: no AdbcStatusCode is so large.
inline constexpr std::uint32_t kRowsWanted = 1'000;

struct HostFrame {
  std::uint32_t kind = 0;  // a HostCall, or the AdbcStatusCode of a reply
  std::string body;
  int descriptor = -1;  // that came with it; the receiver's to close
};

class HostSocket {
 public:
  explicit HostSocket(int descriptor) : descriptor_(descriptor) {}
  HostSocket(HostSocket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  ~HostSocket();
  HostSocket& operator=(HostSocket&&) = delete;

  static arrow::Result<std::pair<HostSocket, HostSocket>> MakePair();
  // IOError: the other side is gone. CapacityError: the body is too long, and nothing was sent.
  arrow::Status Send(std::uint32_t kind, std::string_view body, int descriptor = -1) const;
  // IOError: the other side is gone, or sends what is no frame.
  arrow::Result<HostFrame> Receive() const;
  // Does something come, a frame or the end, within that time?
  bool Await(std::chrono::milliseconds wait) const;
  // Whoever waits in Receive() sees the end.
  void ShutDown() const;
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

// The parts of a body, one after the other.
class HostBody {
 public:
  HostBody& Text(std::string_view text);
  HostBody& Number(std::int64_t number);
  HostBody& Maybe(const char* text);  // null: none
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

class HostBodyReader {
 public:
  explicit HostBodyReader(std::string_view bytes) : rest_(bytes) {}
  // Invalid: there is none.
  arrow::Result<std::string> Text();
  arrow::Result<std::int64_t> Number();
  arrow::Result<std::optional<std::string>> Maybe();

 private:
  std::string_view rest_;
};

// Message and SQLSTATE. ReadError() makes an error that releases itself, for the caller.
std::string WriteError(std::string_view message, std::string_view sqlstate);
void ReadError(std::string_view body, AdbcError* error);

// Arrow's IPC format, in one piece. A stream of no batches is its schema.
arrow::Result<std::string> WriteBatch(const std::shared_ptr<arrow::Schema>& schema,
                                      const std::shared_ptr<arrow::RecordBatch>& batch);
arrow::Result<std::shared_ptr<arrow::Schema>> ReadSchemaOf(const std::string& bytes);
// Invalid: it is none that may be trusted, or not one of that schema.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> ReadBatchOf(std::string bytes, const arrow::Schema* of = nullptr);

}  // namespace hyprstream::backend
