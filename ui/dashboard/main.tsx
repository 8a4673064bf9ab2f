import { render } from 'preact';
import { Dashboard } from './dashboard.tsx';

const page = document.getElementById('page');
if (!page) throw new Error('index.html has no element "page"');
render(<Dashboard />, page);
