/** The model of the quorum, searched: by itself, since files run side by side. */
import { searched } from './searched.ts';

searched('quorum');
