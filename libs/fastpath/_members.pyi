"""The types are the twin's."""

from libs.fastpath._members_py import MAX_DEPTH as MAX_DEPTH
from libs.fastpath._members_py import MAX_REMEMBERED_NAMES as MAX_REMEMBERED_NAMES
from libs.fastpath._members_py import MAX_SHARED_NAMES as MAX_SHARED_NAMES
from libs.fastpath._members_py import Captured as Captured
from libs.fastpath._members_py import Head as Head
from libs.fastpath._members_py import Layout as Layout
from libs.fastpath._members_py import Members as Members
from libs.fastpath._members_py import Picker as Picker
from libs.fastpath._members_py import RowBlock as RowBlock
from libs.fastpath._members_py import Shape as Shape
from libs.fastpath._members_py import block as block
from libs.fastpath._members_py import captured as captured
from libs.fastpath._members_py import head as head
from libs.fastpath._members_py import line as line
from libs.fastpath._members_py import members as members
from libs.fastpath._members_py import members_of as members_of
from libs.fastpath._members_py import near as near
from libs.fastpath._members_py import near_text as near_text
