# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands where a progress bar was.

Blender takes the button under the pointer along from one drawing to the next, and up to 4.3 it
knows it again by anything but its kind: a bar that is over lives on as the next nameless thing of
the panel, a label or a box, blue up to its last percent. So nothing is drawn in its place, for it
to live on unseen. For the two to meet, both are made before what may come and go in the panel.
"""

from bpy.types import UILayout


def over(column: UILayout) -> None:
    """Nothing, in the column that a bar was in."""
    row = column.row()
    row.alignment = "LEFT"
    row.separator(factor=0)
