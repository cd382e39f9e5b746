"""What the demo shows while flights stream in: a bar, and windows that fill. All of it is read from the views."""

import time

from flight_views import WINDOWS, view_name

BAR_CELLS = 40
WEEK_CELLS = 30


class LivePanel:
    """On a terminal a few lines that are drawn over themselves; elsewhere a line for each month."""

    def __init__(self, connection, rows_total, out):
        self._connection = connection
        self._rows_total = rows_total
        self._out = out
        self._drawn = 0  # lines to go back over
        self._month = None
        self._started = time.monotonic()

    def refresh(self):
        seen = self._look()
        if seen is None:
            return
        if self._out.isatty():
            self._draw(seen)
        elif seen["latest"].strftime("%Y-%m") != self._month:
            self._month = seen["latest"].strftime("%Y-%m")
            print(f"  {seen['latest']:%Y-%m-%d %H:%M}  {seen['rows']:>7,} flights   {windows_text(seen)}",
                  file=self._out, flush=True)

    def _look(self):
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT max(window_start) FROM {view_name('hour', 'origin')}")
            latest = cursor.fetchone()[0]
            if latest is None:
                return None
            cursor.execute("SELECT view_name, windows, rows FROM hyprstream.views")
            views = {name: (windows, rows) for name, windows, rows in cursor.fetchall()}
            week = view_name("week", "origin")
            cursor.execute(f"SELECT window_start, origin, flights, mean_delay FROM {week} "
                           f"WHERE window_start = (SELECT max(window_start) FROM {week}) ORDER BY origin")
            week_rows = cursor.fetchall()
        return {
            "latest": latest,
            "rows": views[view_name("5m", "origin")][1],
            "windows": {name: views[view_name(window, "origin")][0] for window, _, name in WINDOWS},
            "week": week_rows,
        }

    def _draw(self, seen):
        share = seen["rows"] / self._rows_total
        rate = seen["rows"] / max(time.monotonic() - self._started, 0.001)
        lines = [
            f"  {bar(share, BAR_CELLS, '─')}  {share:4.0%}  {seen['rows']:>7,} flights  {rate:>6,.0f}/s"
            f"  {seen['latest']:%a %d %b %H:%M}",
            f"  {windows_text(seen)}",
            *(f"  week of {start:%d %b}  {origin}  {bar(flights / 2700, WEEK_CELLS, ' ')} {flights:>5,} flights,"
              f" mean delay {mean_delay or 0:5.1f} min" for start, origin, flights, mean_delay in seen["week"]),
        ]
        back = f"\x1b[{self._drawn}A" if self._drawn else ""
        self._out.write(back + "".join(f"\x1b[2K{line}\n" for line in lines))
        self._out.write("\x1b[J")
        self._out.flush()
        self._drawn = len(lines)


def windows_text(seen):
    return "windows:  " + "   ".join(f"{name} {count:,}" for name, count in seen["windows"].items())


def bar(share, cells, empty):
    filled = round(min(max(share, 0), 1) * cells)
    return "━" * filled + empty * (cells - filled)
