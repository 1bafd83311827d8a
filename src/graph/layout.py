"""Layout of boxes in levels, from above to below, and the lines between them. Pure geometry: lengths in any unit.

A box stands one level below the lowest of those that it reads. A line that passes levels has a lane in each of them. The order
within a level comes from the mean place of the neighbours, and so do the columns, by isotonic regression: the places
nearest to the wished ones whose boxes do not overlap. Between two levels lines run level in tracks, one per source.
"""

import itertools
from dataclasses import dataclass

SWEEPS = 24
GAP, TRACK, MARGIN = 26, 9, 15  # between boxes; between tracks; track to box
PORT, EDGE = 13, 6  # between arrows to one box; arrow to its corner
LANE, SNAP = 8, 0.5  # width of a line's lane; length of a step that no line makes
# weight of a line from box to box that is alone at both ends, or from lane to lane; of one into a lane; of one out of a lane
CHAIN, LEAVING, ARRIVING = 8, 0.3, 0.01
RIGID = 1e6  # weight of a lane's wish, where that of a box is the sum of its lines'


@dataclass(frozen=True)
class Cell:
    """A box, or a lane of the line from it: the box's number and the level."""

    box: int
    level: int


@dataclass(frozen=True)
class Layout:
    """places: (centre x, top y) of each box. lines: (points, number of the box that they point at or None). width, height: of all."""

    places: tuple
    lines: tuple
    width: float
    height: float


def layout(sizes, sources):
    """Layout of boxes of sizes (width, height), of which box i reads the boxes sources[i], all before i."""
    return _Levels(sizes, sources).laid_out()


class _Levels:
    """Cells in rows, one row per level, and who reads whom. below, above: cell -> the cells that its lines lead to, or come from."""

    def __init__(self, sizes, sources):
        self.sizes, self.sources = sizes, sources
        self.level = []
        for read in sources:
            self.level.append(1 + max((self.level[i] for i in read), default=-1))
        ends = list(self.level)  # level above the last reader
        for box, read in enumerate(sources):
            for i in read:
                ends[i] = max(ends[i], self.level[box] - 1)
        self.rows = [[] for _ in range(max(self.level) + 1)]
        self.below = {}
        for box, end in enumerate(ends):
            for level in range(self.level[box], end + 1):
                cell = Cell(box, level)
                self.rows[level].append(cell)
                self.below[cell] = [Cell(box, level + 1)] if level < end else []
        for box, read in enumerate(sources):
            for i in dict.fromkeys(read):
                self.below[Cell(i, self.level[box] - 1)].append(Cell(box, self.level[box]))
        self.above = {cell: [] for cell in self.below}
        for cell, cells in self.below.items():
            for each in cells:
                self.above[each].append(cell)

    def is_box(self, cell):
        """True for a box, False for a lane."""
        return self.level[cell.box] == cell.level

    def width(self, cell):
        """Width of a box or lane."""
        return self.sizes[cell.box][0] if self.is_box(cell) else LANE

    # --- order within the levels ---

    def order(self):
        """Sort the rows by the mean places of their neighbours above and below in turn; the order with least crossings stays."""
        best, least = [list(row) for row in self.rows], self.crossings()
        for sweep in range(SWEEPS):
            down = sweep % 2 == 0
            rows, neighbours = (self.rows, self.above) if down else (self.rows[::-1], self.below)
            places = self.relative_places()
            for row in rows:
                wishes = {
                    cell: _mean([places[each] for each in neighbours[cell]], places[cell]) for cell in row
                }
                row.sort(key=wishes.get)
                places.update(self.relative_places([row]))
            if self.crossings() < least:
                best, least = [list(row) for row in self.rows], self.crossings()
        self.rows = best

    def relative_places(self, rows=None):
        """Place of each cell within its row, from 0 to 1."""
        return {cell: (i + 0.5) / len(row) for row in (rows or self.rows) for i, cell in enumerate(row)}

    def crossings(self):
        """Pairs of lines between adjacent levels that cross."""
        total = 0
        for upper, lower in zip(self.rows, self.rows[1:]):
            place = {cell: i for i, cell in enumerate(lower)}
            ends = [place[each] for cell in upper for each in sorted(self.below[cell], key=place.get)]
            total += sum(one > other for i, one in enumerate(ends) for other in ends[i + 1 :])
        return total

    # --- columns ---

    def columns(self):
        """Centre of each cell: at first near its neighbours, then with the lanes of each line below one another."""
        x = {}
        for row in self.rows:
            x.update(zip(row, itertools.accumulate([0, *self._distances(row)])))
        for sweep in range(2 * SWEEPS):
            for row in self.rows if sweep % 2 else self.rows[::-1]:
                self._place(row, x, {cell: self._near(cell, x) for cell in row})
        for _ in range(8 * SWEEPS):
            lines = self._lanes(x)
            for row in self.rows:
                self._place(row, x, {cell: lines.get(cell) or self._near(cell, x) for cell in row})
        left = min(x[cell] - self.width(cell) / 2 for cell in x)
        return {cell: place - left for cell, place in x.items()}

    def _distances(self, row):
        """Least distances between the centres of a row's cells."""
        gaps = [GAP if self.is_box(a) and self.is_box(b) else GAP / 2 for a, b in zip(row, row[1:])]
        return [(self.width(a) + self.width(b)) / 2 + gap for a, b, gap in zip(row, row[1:], gaps)]

    def _place(self, row, x, wishes):
        """Move the cells of a row to their wishes (place, weight), as near as they come."""
        places, weights = zip(*(wishes[cell] for cell in row))
        x.update(zip(row, spread(places, weights, self._distances(row))))

    def _near(self, cell, x):
        """Mean place of a cell's neighbours, and its weight."""
        lines = [(each, cell) for each in self.above[cell]] + [(cell, each) for each in self.below[cell]]
        weights = [self._weight(*line) for line in lines]
        places = [x[a if b == cell else b] for a, b in lines]
        if not lines:
            return x[cell], 1
        return sum(w * place for w, place in zip(weights, places)) / sum(weights), sum(weights)

    def _weight(self, cell, reader):
        from_box, to_box = self.is_box(cell), self.is_box(reader)
        if from_box != to_box:
            return LEAVING if from_box else ARRIVING
        return CHAIN if not from_box or len(self.below[cell]) == len(self.above[reader]) == 1 else 1

    def _lanes(self, x):
        """Wish of each lane: the mean place of all lanes of its line, or that of its box if it is near."""
        lanes, wishes = {}, {}
        for cell in x:
            if not self.is_box(cell):
                lanes.setdefault(cell.box, []).append(cell)
        for box, line in lanes.items():
            mean, above = _mean([x[cell] for cell in line], 0), x[Cell(box, self.level[box])]
            place = above if abs(above - mean) < PORT else mean
            wishes.update({cell: (place, RIGID) for cell in line})
        return wishes

    # --- lines ---

    def laid_out(self):
        """The Layout."""
        self.order()
        x = self.columns()
        ports = {}
        for row in self.rows:
            for cell in row:
                ports.update(self._ports(cell, x))
        tracks = [self._tracks(row, x, ports) for row in self.rows]
        tops, bottoms, y = [], [], 0
        for row, used in zip(self.rows, tracks):
            tops.append(y)
            bottoms.append(y + max(self.sizes[cell.box][1] for cell in row if self.is_box(cell)))
            y = bottoms[-1] + 2 * MARGIN + max(max(used.values(), default=0), 0) * TRACK
        boxes = {
            cell: (tops[cell.level] + bottoms[cell.level] - self.sizes[cell.box][1]) / 2
            for cell in x
            if self.is_box(cell)
        }
        lines = []
        for (source, cell), end in ports.items():
            start = boxes[source] + self.sizes[source.box][1] if source in boxes else tops[source.level]
            points = [(x[source], start)]
            if source in tracks[source.level]:
                track = bottoms[source.level] + MARGIN + tracks[source.level][source] * TRACK
                points += [(x[source], track), (end, track)]
            points.append((end, boxes.get(cell, tops[cell.level])))
            lines.append((tuple(points), cell.box if cell in boxes else None))
        width = max(place + self.width(cell) / 2 for cell, place in x.items())
        places = tuple((x[Cell(*box)], boxes[Cell(*box)]) for box in enumerate(self.level))
        return Layout(places, tuple(lines), width, bottoms[-1])

    def _ports(self, cell, x):
        """(cell above, cell) -> x where its line ends: below the cell above, as far as the arrows' distance lets it.

        A lane that is nearly below the cell above is moved there.
        """
        above = sorted(self.above[cell], key=x.get)
        if not self.is_box(cell):
            x[cell] = _snapped(x[cell], x[above[0]])
            return {(above[0], cell): x[cell]}
        half = max(self.width(cell) / 2 - EDGE, (len(above) - 1) * PORT / 2)
        low, high = x[cell] - half, x[cell] + half
        wishes = [min(max(x[each], low), high) for each in above]
        if len(above) == 1 and wishes[0] != x[above[0]]:  # straight or to the middle
            wishes = [x[cell]]
        ends = spread(wishes, [1] * len(above), [PORT] * (len(above) - 1))
        last = len(above) - 1
        ends = [min(max(end, low + i * PORT), high - (last - i) * PORT) for i, end in enumerate(ends)]
        return {(each, cell): _snapped(end, x[each]) for each, end in zip(above, ends)}

    def _tracks(self, row, x, ports):
        """Cell -> track, counted from above, of the lines from a row that are not straight. Lines side by side share one.

        A line that ends where another one begins runs below it, or the two would lie on one another.
        """
        ends = {cell: [ports[cell, each] for each in self.below[cell]] for cell in row}
        bent = [cell for cell in row if any(end != x[cell] for end in ends[cell])]
        earlier = {
            cell: {
                each for each in bent if each != cell and any(abs(end - x[each]) < LANE for end in ends[cell])
            }
            for cell in bent
        }
        tracks, taken = {}, []
        while len(tracks) < len(bent):
            left = [cell for cell in bent if cell not in tracks]
            cell = min(
                left, key=lambda cell: (len(earlier[cell] - tracks.keys()), _length(ends[cell], x[cell]))
            )
            low, high = min([*ends[cell], x[cell]]) - LANE, max([*ends[cell], x[cell]]) + LANE
            track = max((tracks[each] + 1 for each in earlier[cell] if each in tracks), default=0)
            while track < len(taken) and any(low < b and a < high for a, b in taken[track]):
                track += 1
            taken += [[] for _ in range(track + 1 - len(taken))]
            taken[track].append((low, high))
            tracks[cell] = track
        return tracks


def _snapped(place, other):
    """The other place if it is as good as this one."""
    return other if abs(place - other) <= SNAP else place


def _length(ends, x):
    return max([*ends, x]) - min([*ends, x])


def spread(wishes, weights, distances):
    """Places x with x[i + 1] - x[i] >= distances[i] that minimise sum weights (x - wishes)^2: adjacent violators are pooled."""
    offsets = [0]
    for distance in distances:
        offsets.append(offsets[-1] + distance)
    pools = []  # mean, weight, how many
    for wish, weight, offset in zip(wishes, weights, offsets):
        pools.append((wish - offset, weight, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (b, v, m), (a, w, n) = pools.pop(), pools.pop()
            pools.append(((a * w + b * v) / (w + v), w + v, n + m))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets)]


def _mean(numbers, otherwise):
    return sum(numbers) / len(numbers) if numbers else otherwise
